package scenarios

import (
	"reflect"
	"strings"
)

// DeviationName gives a deviation the permanent name by which reports know it: the fields of D that it sets, such as "Login.ZeroTSIH".
func DeviationName[D any](set func(*D)) string {
	var d D
	set(&d)
	return strings.Join(setFields("", reflect.ValueOf(d)), "+")
}

// setFields lists the fields of a struct that differ from zero, in the order of their declaration.
func setFields(path string, v reflect.Value) []string {
	if v.Kind() != reflect.Struct {
		if v.IsZero() {
			return nil
		}
		return []string{strings.TrimPrefix(path, ".")}
	}
	var names []string
	for i := range v.NumField() {
		names = append(names, setFields(path+"."+v.Type().Field(i).Name, v.Field(i))...)
	}
	return names
}
