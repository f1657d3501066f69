package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// resident is the memory that a process has resident, in bytes; 0 where that cannot be told.
func resident(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	line, _, _ := strings.Cut(after, "kB")
	kib, _ := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	return kib << 10
}

// cpuTime is the processor time that the threads of a process have used; 0 where that cannot be told.
func cpuTime(pid int) time.Duration {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	total := time.Duration(0)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // The thread has ended.
		}
		first, _, _ := strings.Cut(string(text), " ")
		n, _ := strconv.ParseInt(first, 10, 64)
		total += time.Duration(n)
	}
	return total
}

// load is the machine's load average over the last minute.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// moreFiles lets this process and its children have n open files. Where it may not it returns how many there can be.
func moreFiles(n int) (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return n, err
	}
	hard := limit.Max
	// Set even where it is enough: otherwise children get what this process had before Go raised it.
	limit.Cur = max(hard, uint64(n))
	limit.Max = limit.Cur
	err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	if err == nil {
		return n, nil
	}
	err = fmt.Errorf("want a limit of %d: %w", n, err)
	limit.Cur, limit.Max = hard, hard
	return int(hard), errors.Join(err, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
}
