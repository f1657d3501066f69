package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/simtarget/server"
)

// serveCHAP are the flags about authentication. Secrets never stand on the command line, which other users of the machine can see.
type serveCHAP struct {
	user, secretFile string
	own, ownFile     string
}

// The variables that hold the secrets where no file is named.
const (
	variableSecret    = "ISCSISPEC_CHAP_PASSWORD"
	variableOwnSecret = "ISCSISPEC_CHAP_TARGET_PASSWORD"
)

func (c *serveCHAP) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.user, "chap-user", "", "ask for CHAP from initiators: their name; the secret is in --chap-secret-file or $"+variableSecret)
	f.StringVar(&c.secretFile, "chap-secret-file", "", "file that holds the initiators' secret")
	f.StringVar(&c.own, "chap-own", "", "the arrays' own CHAP name, for mutual CHAP; the secret is in --chap-own-secret-file or $"+variableOwnSecret)
	f.StringVar(&c.ownFile, "chap-own-secret-file", "", "file that holds the arrays' own secret")
}

// config is nil when no authentication is asked for.
func (c *serveCHAP) config() (*server.CHAPConfig, error) {
	if c.user == "" {
		if c.secretFile != "" || c.own != "" || c.ownFile != "" {
			return nil, usageError("--chap-user is missing: whom should the arrays let in?")
		}
		return nil, nil
	}
	place := func(name, file, variable string) server.CHAPUser {
		if file != "" {
			return server.CHAPUser{Name: name, SecretFile: file}
		}
		return server.CHAPUser{Name: name, SecretEnv: variable}
	}
	config := &server.CHAPConfig{Users: []server.CHAPUser{place(c.user, c.secretFile, variableSecret)}}
	if c.own == "" && c.ownFile != "" {
		return nil, usageError("--chap-own is missing: by which name do the arrays prove themselves?")
	}
	if c.own != "" {
		own := place(c.own, c.ownFile, variableOwnSecret)
		config.Own = &own
	}
	return config, nil
}

// parseLUNs reads the values of --lun.
func parseLUNs(texts []string) ([]simtarget.LUN, error) {
	var luns []simtarget.LUN
	for _, text := range texts {
		lun, err := parseLUN(text)
		if err != nil {
			return nil, usageError("--lun %s: %w", text, err)
		}
		luns = append(luns, lun)
	}
	return luns, nil
}

// parseLUN reads NUMBER=KIND,key=value,...: the keys are those of a profile's logical units. A key without a value is true. The size of a
// file that is there already need not be told.
func parseLUN(text string) (simtarget.LUN, error) {
	const form = "want NUMBER=memory|file|null,size=SIZE and further fields of a logical unit"
	var lun simtarget.LUN
	number, rest, found := strings.Cut(text, "=")
	if n, err := strconv.Atoi(number); !found || err != nil || n < 0 {
		return lun, fmt.Errorf("%s", form)
	}
	fields := strings.Split(rest, ",")
	kind := fields[0]
	switch kind {
	case "memory", "file", "null":
	case "mem":
		kind = "memory"
	default:
		return lun, fmt.Errorf("kind %q; %s", kind, form)
	}
	lines := []string{"number: " + number, "store: " + kind}
	path, sized := "", false
	for _, field := range fields[1:] {
		key, value, hasValue := strings.Cut(field, "=")
		switch {
		case !hasValue:
			value = "true"
		case key == "size" || key == "max_stored":
			n, err := parseBytes(value)
			if err != nil {
				return lun, fmt.Errorf("%s %q: %w", key, value, err)
			}
			value, sized = strconv.FormatInt(n, 10), sized || key == "size"
		case key == "path" || key == "serial" || key == "revision":
			value = strconv.Quote(value)
		}
		if key == "path" {
			path, _ = strconv.Unquote(value)
		}
		lines = append(lines, key+": "+value)
	}
	if kind == "file" && !sized && path != "" {
		info, err := os.Stat(path)
		if err != nil {
			return lun, fmt.Errorf("a file that is not there yet needs a size: %w", err)
		}
		lines = append(lines, fmt.Sprintf("size: %d", info.Size()))
	}
	if err := yaml.UnmarshalWithOptions([]byte(strings.Join(lines, "\n")), &lun, yaml.Strict()); err != nil {
		return lun, fmt.Errorf("%s", strings.TrimSpace(firstLine(err.Error())))
	}
	return lun, nil
}

// firstLine leaves out the excerpt that the YAML library adds to its errors.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	if _, message, found := strings.Cut(line, "] "); found {
		return message
	}
	return line
}
