package iscsi_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/iscsi"
)

func TestTCPOptionsFromEnvironment(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want iscsi.TCPOptions
	}{
		"nothing": {},
		"libiscsi's names": {map[string]string{
			"LIBISCSI_TCP_KEEPIDLE": "30", "LIBISCSI_TCP_KEEPINTVL": "10", "LIBISCSI_TCP_KEEPCNT": "3", "LIBISCSI_TCP_USER_TIMEOUT": "45000",
			"LIBISCSI_TCP_SYNCNT": "2", "LIBISCSI_BIND_INTERFACES": "eth0,eth1",
		}, iscsi.TCPOptions{
			KeepIdle: 30 * time.Second, KeepInterval: 10 * time.Second, KeepCount: 3, UserTimeout: 45 * time.Second, SYNCount: 2,
			Interfaces: []string{"eth0", "eth1"},
		}},
		"ours first": {map[string]string{"LIBISCSI_TCP_KEEPCNT": "3", "ISCSISPEC_TCP_KEEPCNT": "5"}, iscsi.TCPOptions{KeepCount: 5}},
	} {
		got, err := iscsi.TCPOptionsFromEnvironment(func(name string) string { return c.env[name] })
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	for name, value := range map[string]string{
		"LIBISCSI_TCP_KEEPCNT": "128", "LIBISCSI_TCP_KEEPIDLE": "-1", "ISCSISPEC_TCP_SYNCNT": "two", "LIBISCSI_TCP_USER_TIMEOUT": "99999999999",
		"LIBISCSI_BIND_INTERFACES": "eth0,,eth1", "ISCSISPEC_BIND_INTERFACES": "a-name-that-is-too-long",
	} {
		got, err := iscsi.TCPOptionsFromEnvironment(func(asked string) string {
			if asked == name {
				return value
			}
			return ""
		})
		var wrong *iscsi.EnvironmentError
		if !errors.As(err, &wrong) || wrong.Name != name || wrong.Got != value || !cmp.Equal(got, iscsi.TCPOptions{}) {
			t.Errorf("%s=%s: %+v, %v", name, value, got, err)
		}
	}
}
