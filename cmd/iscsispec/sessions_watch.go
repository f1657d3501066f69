package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
)

// watchEvery is how often the sessions are looked at. What comes and goes in between shows in the count of logins.
const watchEvery = 100 * time.Millisecond

// change is one thing that a watch tells.
type change struct {
	At      time.Time `json:"at"`
	Session string    `json:"session,omitempty"`
	Device  string    `json:"device,omitempty"`
	Now     string    `json:"now"`
	Detail  string    `json:"detail,omitempty"`
}

// watch tells changes until ctx ends. Its error is that of the output.
func watch(ctx context.Context, m *initiator.Manager, was listing, w io.Writer, asJSON bool) error {
	look := time.NewTicker(watchEvery)
	defer look.Stop()
	for {
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil
		}
		now := listingOf(m)
		for _, c := range changes(was, now) {
			c.At = time.Now()
			if err := c.print(w, asJSON); err != nil {
				return err
			}
		}
		was = now
	}
}

func (c change) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(c)
	}
	what, detail := "session "+c.Session, ""
	if c.Device != "" {
		what = "device " + c.Device
	}
	if c.Detail != "" {
		detail = ": " + c.Detail
	}
	_, err := fmt.Fprintf(w, "%s  %s %s%s\n", c.At.Format("15:04:05.000"), what, c.Now, detail)
	return err
}

// changes compares two listings: first the sessions, then the devices, each in the order of the listing.
func changes(was, now listing) []change {
	var all []change
	for _, s := range now.Sessions {
		i := slices.IndexFunc(was.Sessions, func(o sessionLine) bool { return o.ID == s.ID })
		if i < 0 {
			all = append(all, change{Session: s.ID, Now: s.State})
			continue
		}
		all = append(all, sessionChanges(was.Sessions[i], s)...)
	}
	for _, s := range was.Sessions {
		if !slices.ContainsFunc(now.Sessions, func(o sessionLine) bool { return o.ID == s.ID }) {
			all = append(all, change{Session: s.ID, Now: "gone"})
		}
	}
	for _, d := range now.Devices {
		i := slices.IndexFunc(was.Devices, func(o deviceLine) bool { return o.Name == d.Name })
		switch {
		case i < 0:
			all = append(all, change{Device: d.Name, Now: "arrived"})
		case d.Blocked != was.Devices[i].Blocked:
			all = append(all, change{Device: d.Name, Now: map[bool]string{true: "waiting", false: "usable"}[d.Blocked]})
		case len(d.Paths) != len(was.Devices[i].Paths):
			all = append(all, change{Device: d.Name, Now: "changed", Detail: fmt.Sprintf("%d paths, before %d", len(d.Paths), len(was.Devices[i].Paths))})
		case d.Bytes != was.Devices[i].Bytes:
			all = append(all, change{Device: d.Name, Now: "changed", Detail: fmt.Sprintf("%d bytes, before %d", d.Bytes, was.Devices[i].Bytes)})
		}
	}
	for _, d := range was.Devices {
		if !slices.ContainsFunc(now.Devices, func(o deviceLine) bool { return o.Name == d.Name }) {
			all = append(all, change{Device: d.Name, Now: "removed"})
		}
	}
	return all
}

// sessionChanges tells what became of one session.
func sessionChanges(was, now sessionLine) []change {
	switch {
	case now.State == was.State && now.Logins == was.Logins && now.Attempts == was.Attempts && now.LastError == was.LastError:
		return nil
	case now.State == initiator.StateConnected.String():
		return []change{{Session: now.ID, Now: now.State, Detail: fmt.Sprintf("login %d, at %s, TSIH %s, ISID %s", now.Logins, now.Reached, now.TSIH, now.ISID)}}
	case now.Attempts > 0:
		return []change{{Session: now.ID, Now: now.State, Detail: fmt.Sprintf("attempt %d; %s", now.Attempts, now.LastError)}}
	}
	return []change{{Session: now.ID, Now: now.State, Detail: now.LastError}}
}
