package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/iscsispec/iscsispec/internal/profiles"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The bounds and defaults of a Config.
const (
	// ArraysMax bounds the arrays of a server.
	ArraysMax = 64
	// DefaultGrace is how long Shutdown waits for initiators where nothing else is said.
	DefaultGrace = 5 * time.Second
	// DefaultListen is where an array listens where nothing else is said: at free ports of loopback.
	DefaultListen = "127.0.0.1:0"
	// configBytesMax bounds a file of YAML, in bytes.
	configBytesMax = 4 << 20
)

// Config says which arrays are served, and how.
type Config struct {
	// Arrays are the arrays, at least one.
	Arrays []ArrayConfig `yaml:"arrays"`
	// Status is the loopback address of the status page; empty serves none.
	Status string `yaml:"status,omitempty"`
	// Grace is how long initiators have to log out when the server ends; 0 closes at once.
	Grace time.Duration `yaml:"grace"`
	// Record writes what initiators do to files.
	Record RecordConfig `yaml:"record,omitempty"`

	source source
}

// RecordConfig says where a recording goes.
type RecordConfig struct {
	// Dir is the folder; empty records nothing.
	Dir string `yaml:"dir,omitempty"`
	// Limit bounds its files together; 0 stands for the default.
	Limit simtarget.Size `yaml:"limit,omitempty"`
	// RealPorts shows portals at their own ports instead of 3260, which dissectors know.
	RealPorts bool `yaml:"real_ports,omitempty"`
}

// ArrayConfig is one array.
type ArrayConfig struct {
	// Name is how status and control call the array; empty means the profile's name, with a number where that is taken.
	Name string `yaml:"name,omitempty"`
	// Profile is the name of a shipped profile, or the path of a YAML file, which counts from the folder of the file that names it.
	Profile string `yaml:"profile"`
	// Listen is the address of the first portal. The others follow at the next ports or, with port 0, at free ones. Empty means
	// DefaultListen.
	Listen string `yaml:"listen,omitempty"`
	// Portals gives single portals, by name, an address of their own.
	Portals map[string]string `yaml:"portals,omitempty"`
	// CHAP takes the place of the profile's names and secrets.
	CHAP *CHAPConfig `yaml:"chap,omitempty"`
	// Set is a piece of a profile: what it names takes the place of what the profile says.
	Set ast.Node `yaml:"set,omitempty"`
	// LUNs, where there are any, take the place of those of the profile's first target.
	LUNs []simtarget.LUN `yaml:"luns,omitempty"`
}

// CHAPConfig says who may log in, and how the array proves itself. Secrets stand in files or in the environment, never here.
type CHAPConfig struct {
	Users []CHAPUser `yaml:"users"`
	Own   *CHAPUser  `yaml:"own,omitempty"`
}

// CHAPUser is a CHAP name and the place of its secret; exactly one place is named.
type CHAPUser struct {
	Name       string `yaml:"name"`
	SecretEnv  string `yaml:"secret_env,omitempty"`  // a variable of the environment
	SecretFile string `yaml:"secret_file,omitempty"` // a file, whose last line break does not count
}

// ConfigError says what is wrong with a Config.
type ConfigError struct {
	// File is the file's name; empty when there is none.
	File string
	// Line counts from 1; 0 when the fault is in no line.
	Line int
	// Reason says what was expected and what came.
	Reason string
	// Err is what lies beneath, if anything.
	Err error
}

// Error names the file, the line and the reason.
func (e *ConfigError) Error() string {
	switch {
	case e.File == "":
		return e.Reason
	case e.Line == 0:
		return fmt.Sprintf("%s: %s", e.File, e.Reason)
	}
	return fmt.Sprintf("%s, line %d: %s", e.File, e.Line, e.Reason)
}

// Unwrap gives what lies beneath.
func (e *ConfigError) Unwrap() error { return e.Err }

// source is where a Config was read.
type source struct {
	file string
	dir  string
	text []byte
}

// LoadConfig reads a file. Errors in it are *ConfigError.
func LoadConfig(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &ConfigError{Reason: err.Error(), Err: err}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, configBytesMax+1))
	if err == nil && len(text) > configBytesMax {
		err = fmt.Errorf("more than %d bytes", configBytesMax)
	}
	if err != nil {
		return nil, &ConfigError{File: path, Reason: err.Error(), Err: err}
	}
	return ParseConfig(path, text)
}

// ParseConfig reads YAML; name is its file's, and paths count from that file's folder. Unknown and double fields are errors. Errors are
// *ConfigError.
func ParseConfig(name string, text []byte) (*Config, error) {
	c := &Config{Grace: DefaultGrace, source: source{file: name, dir: filepath.Dir(name), text: text}}
	err := profiles.Decode(text, c)
	switch {
	case errors.Is(err, io.EOF):
		return nil, &ConfigError{File: name, Reason: "the file is empty"}
	case err != nil:
		return nil, c.source.located(err)
	case len(c.Arrays) == 0:
		return nil, &ConfigError{File: name, Reason: "arrays are missing: want a list under \"arrays\", each with a profile"}
	}
	if c.Record.Dir != "" {
		c.Record.Dir = c.source.path(c.Record.Dir)
	}
	if _, err := c.Specs(); err != nil {
		return nil, err
	}
	return c, nil
}

// located makes a *ConfigError of the YAML library's error.
func (s source) located(err error) error {
	e := &ConfigError{File: s.file, Err: err}
	e.Reason, e.Line = profiles.Explain(err)
	return e
}

// wrong makes a *ConfigError about the n-th array, counted from 0. The line is that of the first value which the reason quotes, else that
// of the array.
func (s source) wrong(n int, err error) error {
	e := &ConfigError{File: s.file, Reason: err.Error(), Err: err}
	if e.Line = s.lineOf(n); e.Line == 0 {
		return e
	}
	lines := strings.Split(string(s.text), "\n")[e.Line-1:]
	_, rest, quoted := strings.Cut(e.Reason, `"`)
	value, _, closed := strings.Cut(rest, `"`)
	if !quoted || !closed || value == "" {
		return e
	}
	for at, line := range lines {
		if strings.Contains(line, value) {
			e.Line += at
			break
		}
	}
	return e
}

// lineOf finds the line where the n-th array begins, 0 when there is none.
func (s source) lineOf(n int) (line int) {
	_ = profiles.Guard(func() error { // what cannot be parsed has no lines
		file, err := parser.ParseBytes(s.text, 0)
		if err != nil {
			return err
		}
		path, err := yaml.PathString(fmt.Sprintf("$.arrays[%d]", n))
		if err != nil {
			return err
		}
		node, err := path.FilterFile(file)
		if err == nil && node != nil && node.GetToken() != nil && node.GetToken().Position != nil {
			line = node.GetToken().Position.Line
		}
		return err
	})
	return line
}

// path makes a path count from the folder of the file that names it.
func (s source) path(p string) string {
	if filepath.IsAbs(p) || s.dir == "" {
		return p
	}
	return filepath.Join(s.dir, p)
}
