package target

import (
	"reflect"
	"strings"

	"github.com/iscsispec/iscsispec/simtarget"
)

// nameOf gives a deviation the permanent name by which reports know it: the fields that it sets, such as "Login.ZeroTSIH".
func nameOf(set func(*simtarget.Deviations)) string {
	var d simtarget.Deviations
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
