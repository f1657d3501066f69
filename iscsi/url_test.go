package iscsi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/iscsi"
)

const canary = "canary-5ecret"

func TestParseURL(t *testing.T) {
	portal := iscsi.Address{Host: "127.0.0.1"}
	for text, want := range map[string]iscsi.URL{
		"iscsi://127.0.0.1":                        {Portal: portal},
		"iscsi://127.0.0.1/":                       {Portal: portal},
		"iscsi://127.0.0.1:3261":                   {Portal: iscsi.Address{Host: "127.0.0.1", Port: 3261}},
		"iscsi://[::1]:3260/iqn.2001-04.com.e:x/1": {Portal: iscsi.Address{Host: "::1", Port: 3260}, Target: "iqn.2001-04.com.e:x", LUN: 1, HasLUN: true},
		"iscsi://127.0.0.1/iqn.x":                  {Portal: portal, Target: "iqn.x"},
		"iscsi://127.0.0.1/iqn.x/":                 {Portal: portal, Target: "iqn.x"},
		"iscsi://127.0.0.1/iqn.x%3Ay/16383":        {Portal: portal, Target: "iqn.x:y", LUN: 16383, HasLUN: true},
		"iscsi://ronnie%password@127.0.0.1/iqn.x/0": {Portal: portal, Target: "iqn.x", HasLUN: true, User: "ronnie",
			Password: "password"},
		"iscsi://ronnie:pass%word@127.0.0.1/iqn.x/0": {Portal: portal, Target: "iqn.x", HasLUN: true, User: "ronnie:pass",
			Password: "word"},
		"iscsi://ronnie:password@127.0.0.1/iqn.x/0": {Portal: portal, Target: "iqn.x", HasLUN: true, User: "ronnie", Password: "password"},
		"iscsi://ronnie@127.0.0.1/iqn.x/0":          {Portal: portal, Target: "iqn.x", HasLUN: true, User: "ronnie"},
		"iscsi://u%a/b@127.0.0.1/iqn.x%40y/0":       {Portal: portal, Target: "iqn.x@y", HasLUN: true, User: "u", Password: "a/b"},
		"iscsi://u%p@127.0.0.1/iqn.x/0?target_user=t&target_password=q&header_digest=crc32c&data_digest=NONE&auth=sha-256": {
			Portal: portal, Target: "iqn.x", HasLUN: true, User: "u", Password: "p", TargetUser: "t", TargetPassword: "q",
			HeaderDigest: "CRC32C", DataDigest: "None", Auth: "SHA-256"},
		"iscsi://127.0.0.1?&auth=md5&": {Portal: portal, Auth: "MD5"},
	} {
		got, err := iscsi.ParseURL(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		// cmp would print through String, which hides what differs.
		if diff := cmp.Diff(fmt.Sprintf("%#v", plain(want)), fmt.Sprintf("%#v", plain(got))); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

// plain lays a URL open for comparison.
func plain(u iscsi.URL) []any {
	return []any{u.Portal, u.Target, u.LUN, u.HasLUN, u.User, u.Password.Reveal(), u.TargetUser, u.TargetPassword.Reveal(), u.HeaderDigest,
		u.DataDigest, u.Auth}
}

func TestParseURLRefuses(t *testing.T) {
	for text, part := range map[string]string{
		"":                                     "scheme",
		"127.0.0.1":                            "scheme",
		"http://127.0.0.1":                     "scheme",
		"iser://127.0.0.1/iqn.x/0":             "scheme",
		"iscsi://":                             "portal",
		"iscsi:///iqn.x/0":                     "portal",
		"iscsi://host:99999/iqn.x/0":           "portal",
		"iscsi://host//0":                      "target",
		"iscsi://host/iqn%zz/0":                "target",
		"iscsi://host/iqn.x/abc":               "lun",
		"iscsi://host/iqn.x/-1":                "lun",
		"iscsi://host/iqn.x/16384":             "lun",
		"iscsi://host/iqn.x/0/1":               "lun",
		"iscsi://@host/iqn.x/0":                "credentials",
		"iscsi://%pw@host/iqn.x/0":             "credentials",
		"iscsi://host/iqn.x/0?iser":            "argument",
		"iscsi://host/iqn.x/0?force_usn=":      "argument",
		"iscsi://host?header_digest=md5":       "argument",
		"iscsi://host?auth=sha512":             "argument",
		"iscsi://host?bogus=1":                 "argument",
		"iscsi://" + strings.Repeat("h", 9000): "length",
	} {
		_, err := iscsi.ParseURL(text)
		var urlError *iscsi.URLError
		if !errors.As(err, &urlError) || urlError.Part != part {
			t.Errorf("ParseURL(%.60q) = %v, want a *URLError about the %s", text, err, part)
		}
	}
}

func TestSecretsNeverShow(t *testing.T) {
	u, err := iscsi.ParseURL("iscsi://user%" + canary + "@host/iqn.x/0?target_user=t&target_password=" + canary)
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(map[string]any{"url": u, "secret": u.Password})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "url", u, "secret", u.Password)
	told := iscsi.URL{Portal: iscsi.Address{Host: "host"}}.WithEnvironment(func(name string) string {
		if strings.HasSuffix(name, "PASSWORD") {
			return canary
		}
		return "user"
	})
	texts := []string{told.String(), fmt.Sprintf("%+v %#v %s", told, told, told), u.String(), fmt.Sprint(u), fmt.Sprintf("%+v %#v %s %q %d %x", u, u, u, u, u, u), string(asJSON), log.String(),
		fmt.Sprintf("%+v %#v %x %s", struct{ S iscsi.Secret }{u.Password}, u.Password, u.Password, &u), fmt.Sprintf("%v", []iscsi.URL{u})}
	for _, bad := range []string{
		"iscsi://user%" + canary + "@host:0/iqn.x/0", "iser://user%" + canary + "@host/x", "http://user:" + canary + "@host",
		"iscsi://user%" + canary + "@", "iscsi://user%a@" + canary + "@host/x/y", "iscsi://h?target_password=" + canary + "&bogus",
		"user%" + canary + "@host", "iscsi://u%a@b/c/" + canary + "@host/iqn.x/0",
		"iscsi://u%" + canary + "?b@host/iqn.x/0", "iscsi://u%a?" + canary + "@host/iqn.x/0", "iscsi://u%a@h?auth=" + canary + "@h", "iscsi://h?Password=" + canary,
	} {
		if _, err := iscsi.ParseURL(bad); err != nil {
			texts = append(texts, err.Error(), fmt.Sprintf("%+v", err))
		} else {
			t.Errorf("%q has no error", bad)
		}
	}
	for _, text := range texts {
		if strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
			t.Errorf("a secret shows: %s", text)
		}
	}
	if !strings.Contains(u.Reveal(), canary) {
		t.Error("Reveal hides the password")
	}
	if iscsi.Secret("").String() != "" {
		t.Error("an empty secret prints as something")
	}
}

func TestWithEnvironment(t *testing.T) {
	lookup := func(pairs ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	for _, c := range []struct {
		name string
		url  iscsi.URL
		env  func(string) string
		want [4]string
	}{
		{"nothing", iscsi.URL{}, lookup(), [4]string{}},
		{"libiscsi's names", iscsi.URL{}, lookup("LIBISCSI_CHAP_USERNAME", "u", "LIBISCSI_CHAP_PASSWORD", "p"), [4]string{"u", "p"}},
		{"our names first", iscsi.URL{}, lookup("LIBISCSI_CHAP_USERNAME", "u", "LIBISCSI_CHAP_PASSWORD", "p", "ISCSISPEC_CHAP_PASSWORD", "q"),
			[4]string{"u", "q"}},
		{"the URL first", iscsi.URL{User: "a", Password: "b"}, lookup("LIBISCSI_CHAP_USERNAME", "u", "LIBISCSI_CHAP_PASSWORD", "p"), [4]string{"a", "b"}},
		{"user in the URL, password outside", iscsi.URL{User: "a"}, lookup("ISCSISPEC_CHAP_PASSWORD", "p"), [4]string{"a", "p"}},
		{"half is nothing", iscsi.URL{User: "a"}, lookup(), [4]string{}},
		{"mutual", iscsi.URL{}, lookup("LIBISCSI_CHAP_USERNAME", "u", "LIBISCSI_CHAP_PASSWORD", "p", "LIBISCSI_CHAP_TARGET_USERNAME", "t",
			"LIBISCSI_CHAP_TARGET_PASSWORD", "q"), [4]string{"u", "p", "t", "q"}},
		{"mutual without our own", iscsi.URL{TargetUser: "t", TargetPassword: "q"}, lookup(), [4]string{}},
	} {
		u := c.url.WithEnvironment(c.env)
		if got := [4]string{u.User, u.Password.Reveal(), u.TargetUser, u.TargetPassword.Reveal()}; got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, seed := range []string{
		"iscsi://127.0.0.1/iqn.x/0", "iscsi://u%p@[::1]:1/iqn.x/0?target_user=t&target_password=q&auth=md5", "iscsi://h?header_digest=none",
		"iser://h", "iscsi://u:p@h/a%2Fb", "iscsi://a@b@c",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := iscsi.ParseURL(text)
		if err != nil {
			return
		}
		again, err := iscsi.ParseURL(u.Reveal())
		if err != nil || fmt.Sprint(plain(again)) != fmt.Sprint(plain(u)) {
			t.Errorf("%q prints as %q and parses to %v, %v", text, u.Reveal(), plain(again), err)
		}
	})
}
