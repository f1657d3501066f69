package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// parseBytes reads a number of bytes such as 4096, 64K, 1MiB or 2G; the units are powers of 1024.
func parseBytes(text string) (int64, error) {
	wrong := errors.New("want a number of bytes from 0 up, such as 4096, 64K, 1MiB or 2G")
	number, shift := strings.TrimSuffix(strings.ToUpper(text), "IB"), 0
	unitless := number == strings.ToUpper(text)
	if i := len(number) - 1; i >= 0 {
		if power := strings.IndexByte("KMGT", number[i]); power >= 0 {
			number, shift, unitless = number[:i], 10*(power+1), true
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64>>shift || !unitless || strings.HasPrefix(number, "+") {
		return 0, wrong
	}
	return n << shift, nil
}

// bytesText writes a size as people read it, exact up to three digits behind the point.
func bytesText(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	value, i := float64(n), 0
	for value >= 1024 && i < len(units)-1 {
		value, i = value/1024, i+1
	}
	return strconv.FormatFloat(math.Round(value*1000)/1000, 'f', -1, 64) + " " + units[i]
}

// rateText says how fast n bytes were moved.
func rateText(n int64, took time.Duration) string {
	if took <= 0 {
		return "at once"
	}
	return fmt.Sprintf("in %v, %.1f MB/s", took.Round(time.Microsecond), float64(n)/1e6/took.Seconds())
}
