package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/iscsispec/iscsispec/internal/profiles"
	"github.com/iscsispec/iscsispec/internal/serving"
	"github.com/iscsispec/iscsispec/simtarget"
)

// secretBytesMax bounds a file that holds a secret, in bytes.
const secretBytesMax = 4 << 10

// Spec is an array as it will be made: the Config's words looked up.
type Spec struct {
	Name    string
	Profile *simtarget.Profile
	// Listen is the address of the first portal, Portals has the addresses of single ones by name.
	Listen  string
	Portals map[string]string
}

// IsPath tells a file's path from the name of a shipped profile.
func IsPath(name string) bool {
	return strings.ContainsAny(name, "/"+string(os.PathSeparator)) || strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

// Specs looks up what the Config names: profiles, secrets, addresses. Errors are *ConfigError.
func (c *Config) Specs() ([]Spec, error) {
	if len(c.Arrays) == 0 || len(c.Arrays) > ArraysMax {
		return nil, &ConfigError{File: c.source.file, Reason: fmt.Sprintf("%d arrays, want 1 to %d", len(c.Arrays), ArraysMax)}
	}
	specs := make([]Spec, len(c.Arrays))
	taken := map[string]bool{}
	for i := range c.Arrays {
		a := &c.Arrays[i]
		spec, err := a.spec(c.source)
		if err == nil && a.Name != "" && taken[a.Name] {
			err = fmt.Errorf("name %q twice", a.Name)
		}
		if err != nil {
			return nil, c.source.wrong(i, err)
		}
		for n := 2; spec.Name == "" || taken[spec.Name]; n++ {
			spec.Name = fmt.Sprintf("%s-%d", spec.Profile.Name, n)
		}
		taken[spec.Name] = true
		specs[i] = spec
	}
	return specs, nil
}

func (a *ArrayConfig) spec(s source) (Spec, error) {
	profile, err := loadProfile(a.Profile, s)
	if err != nil {
		return Spec{}, err
	}
	if a.Set != nil {
		if err := profiles.Guard(func() error { return yaml.NodeToValue(a.Set, profile, yaml.Strict()) }); err != nil {
			reason, _ := profiles.Explain(err)
			return Spec{}, fmt.Errorf("set: %s", reason)
		}
	}
	if len(a.LUNs) > 0 && len(profile.Targets) > 0 {
		profile.Targets[0].LUNs = a.LUNs
	}
	absolutePaths(profile, s)
	if err := a.CHAP.apply(profile, s); err != nil {
		return Spec{}, err
	}
	if err := profile.Validate(); err != nil {
		return Spec{}, err
	}
	spec := Spec{Name: a.Name, Profile: profile, Listen: a.Listen, Portals: a.Portals}
	if spec.Name == "" {
		spec.Name = profile.Name
	}
	if spec.Listen == "" {
		spec.Listen = DefaultListen
	}
	return spec, spec.check()
}

// check holds names and addresses against the profile.
func (s *Spec) check() error {
	if _, _, err := serving.SplitAddress(s.Listen); err != nil {
		return fmt.Errorf("listen %w", err)
	}
	for _, name := range sortedKeys(s.Portals) {
		known := false
		for _, p := range s.Profile.Portals {
			known = known || p.Name == name
		}
		if !known {
			return fmt.Errorf("portals: no portal %q in profile %s", name, s.Profile.Name)
		}
		if _, _, err := serving.SplitAddress(s.Portals[name]); err != nil {
			return fmt.Errorf("portal %s: %w", name, err)
		}
	}
	return nil
}

func loadProfile(name string, s source) (*simtarget.Profile, error) {
	if name == "" {
		return nil, errors.New("profile is missing")
	}
	if IsPath(name) {
		path := s.path(name)
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("profile: %w", err)
		}
		profile, err := simtarget.ParseProfile(path, text)
		if err != nil {
			return nil, err
		}
		absolutePaths(profile, source{dir: filepath.Dir(path)})
		return profile, nil
	}
	return simtarget.Builtin(name)
}

// absolutePaths makes the files of logical units count from the folder of the file that names them.
func absolutePaths(p *simtarget.Profile, s source) {
	for i := range p.Targets {
		for j := range p.Targets[i].LUNs {
			lun := &p.Targets[i].LUNs[j]
			if lun.Path == "" {
				continue
			}
			if path, err := filepath.Abs(s.path(lun.Path)); err == nil {
				lun.Path = path
			}
		}
	}
}

// apply puts names and secrets into a profile.
func (c *CHAPConfig) apply(p *simtarget.Profile, s source) error {
	if c == nil {
		return nil
	}
	if len(c.Users) == 0 {
		return errors.New("chap: users are missing")
	}
	chap := &p.Login.CHAP
	chap.Users = nil
	for i := range c.Users {
		u, err := c.Users[i].look(s)
		if err != nil {
			return err
		}
		chap.Users = append(chap.Users, u)
	}
	chap.Own = simtarget.CHAPUser{}
	if c.Own == nil {
		return nil
	}
	own, err := c.Own.look(s)
	chap.Own = own
	return err
}

// look finds the secret where the configuration says that it is.
func (u *CHAPUser) look(s source) (simtarget.CHAPUser, error) {
	user := simtarget.CHAPUser{Name: u.Name}
	switch {
	case u.Name == "":
		return user, errors.New("chap: a name is missing")
	case (u.SecretEnv == "") == (u.SecretFile == ""):
		return user, fmt.Errorf("chap user %q: want one of secret_env and secret_file", u.Name)
	case u.SecretEnv != "":
		if user.Secret = os.Getenv(u.SecretEnv); user.Secret == "" {
			return user, fmt.Errorf("chap user %q: the environment has no secret in %s", u.Name, u.SecretEnv)
		}
		return user, nil
	}
	f, err := os.Open(s.path(u.SecretFile))
	if err != nil {
		return user, fmt.Errorf("chap user %q: %w", u.Name, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, secretBytesMax+1))
	if err != nil {
		return user, fmt.Errorf("chap user %q: %w", u.Name, err)
	}
	user.Secret = strings.TrimRight(string(text), "\r\n")
	if user.Secret == "" || len(text) > secretBytesMax {
		return user, fmt.Errorf("chap user %q: %s holds %d bytes, want a secret of 1 to %d", u.Name, u.SecretFile, len(text), secretBytesMax)
	}
	return user, nil
}
