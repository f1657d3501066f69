package initiator

import (
	"fmt"
	"reflect"
)

// DeviationError tells that a word names no deviation.
type DeviationError struct {
	// Name is the word.
	Name string
}

// Error says what was wanted.
func (e *DeviationError) Error() string {
	return fmt.Sprintf("no deviation %q: want Group.Field, a field of Deviations that is either there or not, such as %q", e.Name, "Queue.ReplayFinished")
}

// Add switches on a deviation by its place, such as "Queue.ReplayFinished": those can be named that are either there or not. The error
// is a *DeviationError.
func (d *Deviations) Add(name string) error {
	groups := reflect.ValueOf(d).Elem()
	for g := range groups.NumField() {
		group := groups.Field(g)
		if group.Kind() != reflect.Struct || !groups.Type().Field(g).IsExported() {
			continue
		}
		for f := range group.NumField() {
			field := group.Type().Field(f)
			if field.Type.Kind() == reflect.Bool && groups.Type().Field(g).Name+"."+field.Name == name {
				group.Field(f).SetBool(true)
				return nil
			}
		}
	}
	return &DeviationError{Name: name}
}
