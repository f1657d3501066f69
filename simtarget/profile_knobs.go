package simtarget

import (
	"embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

// sources are the files whose comments document the knobs: what Knobs tells is what a reader of the code finds.
//
//go:embed profile.go profile_recovery.go profile_failover.go
var sources embed.FS

// Knob is one setting of a profile.
type Knob struct {
	// Path is its place in the YAML file: "login.redirect.mode".
	Path string
	// Default is its value in NewProfile, in the words of the file; empty where it is an empty list or word.
	Default string
	// Doc is its documentation, in one paragraph.
	Doc string
	// Words are the values that it takes, where they are words with a meaning of their own, each with a remark where there is one.
	Words []string
}

// Knobs lists the settings of the groups login, session, data, recovery and failover, in the order of the file. The parts of a list's elements
// follow the list, as "failover.script[].after".
func Knobs() []Knob {
	var all []Knob
	p := NewProfile()
	for _, group := range []struct {
		key string
		v   reflect.Value
	}{
		{"login", reflect.ValueOf(p.Login)}, {"session", reflect.ValueOf(p.Session)}, {"data", reflect.ValueOf(p.Data)},
		{"recovery", reflect.ValueOf(p.Recovery)}, {"failover", reflect.ValueOf(p.Failover)},
	} {
		all = appendKnobs(all, group.key, group.v)
	}
	return all
}

// KnobSetting is a knob that a profile sets otherwise than NewProfile.
type KnobSetting struct {
	Knob
	// Value is what it is set to.
	Value string
}

// Differences lists the knobs that the profile sets otherwise than the default, in the order of the file. A list is one knob.
func (p *Profile) Differences() []KnobSetting {
	ours, _ := knobValues(p)
	var set []KnobSetting
	for _, k := range Knobs() {
		if v, has := ours[k.Path]; has && v != k.Default {
			set = append(set, KnobSetting{k, v})
		}
	}
	return set
}

// knobValues prints the values of a profile's knobs, by path, and the paths in order.
func knobValues(p *Profile) (map[string]string, []string) {
	values, paths := map[string]string{}, []string{}
	var walk func(path string, v reflect.Value)
	walk = func(path string, v reflect.Value) {
		for f := range v.Type().Fields() {
			at := path + "." + yamlKey(f)
			field := v.FieldByIndex(f.Index)
			if isGroup(f.Type) {
				walk(at, field)
				continue
			}
			values[at] = knobText(field)
			paths = append(paths, at)
		}
	}
	walk("login", reflect.ValueOf(p.Login))
	walk("session", reflect.ValueOf(p.Session))
	walk("data", reflect.ValueOf(p.Data))
	walk("recovery", reflect.ValueOf(p.Recovery))
	walk("failover", reflect.ValueOf(p.Failover))
	return values, paths
}

// isGroup reports whether a type holds knobs instead of being one.
func isGroup(t reflect.Type) bool {
	return t.Kind() == reflect.Struct
}

func appendKnobs(all []Knob, path string, v reflect.Value) []Knob {
	for f := range v.Type().Fields() {
		at := path + "." + yamlKey(f)
		field := v.FieldByIndex(f.Index)
		if isGroup(f.Type) {
			all = appendKnobs(all, at, field)
			continue
		}
		k := Knob{Path: at, Default: knobText(field), Doc: docOf(v.Type().Name(), f.Name), Words: wordsOf(f.Type.Name())}
		all = append(all, k)
		if e := f.Type; e.Kind() == reflect.Slice && isGroup(e.Elem()) && e.Elem() != reflect.TypeFor[Action]() {
			all = appendKnobs(all, at+"[]", reflect.Zero(e.Elem()))
		}
	}
	return all
}

// knobText prints a value, "" for one that is none.
func knobText(v reflect.Value) string {
	if v.Kind() == reflect.Slice && v.Len() == 0 {
		return ""
	}
	switch x := v.Interface().(type) {
	case time.Duration:
		return x.String()
	case Status:
		return fmt.Sprintf("0x%04x", uint16(x))
	case []string:
		return strings.Join(x, ", ")
	case []CHAPUser:
		var names []string
		for _, u := range x {
			names = append(names, u.Name)
		}
		return strings.Join(names, ", ")
	}
	if v.Kind() == reflect.Slice {
		return fmt.Sprintf("%d entries", v.Len())
	}
	return fmt.Sprint(v.Interface())
}

func yamlKey(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return key
}

// profileKeys lists every key that a profile may have, at any place.
var profileKeys = sync.OnceValue(func() []string {
	known := map[string]bool{}
	seen := map[reflect.Type]bool{}
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || seen[t] {
			return
		}
		seen[t] = true
		for f := range t.Fields() {
			if key := yamlKey(f); key != "" {
				known[key] = true
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[Profile]())
	var keys []string
	for key := range known {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
})

// documentation is what the comments of the sources say.
type documentation struct {
	fields map[string]string   // by Type.Field
	words  map[string][]string // by the type of constants
}

var readSources = sync.OnceValue(func() documentation {
	d := documentation{map[string]string{}, map[string][]string{}}
	files, _ := sources.ReadDir(".") // part of the binary
	for _, f := range files {
		text, _ := sources.ReadFile(f.Name())
		places := token.NewFileSet()
		tree, err := parser.ParseFile(places, f.Name(), text, parser.ParseComments)
		if err != nil {
			panic("simtarget: the embedded source does not parse: " + err.Error())
		}
		for _, decl := range tree.Decls {
			if g, ok := decl.(*ast.GenDecl); ok {
				d.read(g, places)
			}
		}
	}
	return d
})

func (d *documentation) read(g *ast.GenDecl, places *token.FileSet) {
	for _, spec := range g.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if t, ok := s.Type.(*ast.StructType); ok {
				d.readStruct(s.Name.Name, t, places)
			}
		case *ast.ValueSpec:
			t, typed := s.Type.(*ast.Ident)
			if !typed || len(s.Values) != 1 {
				continue
			}
			value, ok := s.Values[0].(*ast.BasicLit)
			if !ok {
				continue
			}
			word := strings.Trim(value.Value, `"`)
			if remark := strings.TrimSpace(s.Comment.Text()); remark != "" {
				word += ": " + remark
			}
			d.words[t.Name] = append(d.words[t.Name], word)
		}
	}
}

// readStruct takes the comments of fields. A field without one shares that of the field in the line above it.
func (d *documentation) readStruct(name string, t *ast.StructType, places *token.FileSet) {
	last, line := "", 0
	for _, f := range t.Fields.List {
		doc := strings.Join(strings.Fields(f.Doc.Text()), " ")
		if doc == "" && places.Position(f.Pos()).Line == line+1 {
			doc = last
		}
		last, line = doc, places.Position(f.End()).Line
		for _, n := range f.Names {
			d.fields[name+"."+n.Name] = doc
		}
	}
}

func docOf(structure, field string) string { return readSources().fields[structure+"."+field] }

func wordsOf(typeName string) []string { return readSources().words[typeName] }
