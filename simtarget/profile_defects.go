package simtarget

import (
	"fmt"
	"reflect"
)

// DefectNames lists the faults that Profile.Defects can switch on: the fields of Deviations that are either there or not, as Group.Field.
func DefectNames() []string {
	var names []string
	groups := reflect.TypeFor[Deviations]()
	for g := range groups.Fields() {
		if g.Type.Kind() != reflect.Struct || !g.IsExported() {
			continue
		}
		for f := range g.Type.Fields() {
			if f.Type.Kind() == reflect.Bool {
				names = append(names, g.Name+"."+f.Name)
			}
		}
	}
	return names
}

// defects makes the deviations that the profile names.
func (p *Profile) defects() (Deviations, error) {
	var d Deviations
	for i, name := range p.Defects {
		if err := d.add(name); err != nil {
			return d, wrong(fmt.Sprintf("defects[%d]", i), "%v", err)
		}
	}
	return d, nil
}

// add switches a fault on.
func (d *Deviations) add(name string) error {
	groups := reflect.ValueOf(d).Elem()
	for g := range groups.NumField() {
		group := groups.Field(g)
		if group.Kind() != reflect.Struct || !groups.Type().Field(g).IsExported() {
			continue
		}
		for f := range group.NumField() {
			if groups.Type().Field(g).Name+"."+group.Type().Field(f).Name == name && group.Field(f).Kind() == reflect.Bool {
				group.Field(f).SetBool(true)
				return nil
			}
		}
	}
	if near := nearest(name, DefectNames()); near != "" {
		return fmt.Errorf("no defect %q (nearest: %s)", name, near)
	}
	return fmt.Errorf("no defect %q", name)
}

// merge switches on what a profile names beside what is on already.
func (d *Deviations) merge(names []string) error {
	for _, name := range names {
		if err := d.add(name); err != nil {
			return err
		}
	}
	return nil
}
