package sessions

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// opType reads one kind of op from YAML.
type opType struct {
	name   string
	decode func(b []byte) (Op, error)
}

// opKind makes the reader of an op type.
func opKind[T Op]() opType {
	var zero T
	return opType{name: zero.OpName(), decode: func(b []byte) (Op, error) {
		var op T
		if len(b) == 0 {
			return op, nil
		}
		err := yaml.UnmarshalWithOptions(b, &op, yaml.Strict())
		return op, err
	}}
}

// OpNames are the names of all ops, in the order of the documentation.
func OpNames() []string {
	var names []string
	for _, t := range opTypes() {
		names = append(names, t.name)
	}
	return names
}

func parseOp(name string, with []byte) (Op, error) {
	types := opTypes()
	i := slices.IndexFunc(types, func(t opType) bool { return t.name == name })
	if i < 0 {
		return nil, fmt.Errorf("do: %q is no op; ops are %s", name, strings.Join(OpNames(), ", "))
	}
	op, err := types[i].decode(with)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return op, nil
}

func isZero(op Op) bool { return reflect.ValueOf(op).IsZero() }

// opTypes are all kinds of ops, in the order of the documentation.
func opTypes() []opType {
	return []opType{
		opKind[Login](), opKind[LoginAll](), opKind[AddSession](), opKind[Logout](), opKind[RemoveSession](), opKind[Discover](),
		opKind[Ping](), opKind[SendText](), opKind[ListSessions](), opKind[ListDevices](), opKind[Set](), opKind[Restart](),
		opKind[Read](), opKind[Write](), opKind[Probe](), opKind[Inquiry](), opKind[ReportLUNs](), opKind[ReadCapacity](),
		opKind[TestUnitReady](), opKind[SynchronizeCache](), opKind[RawCDB](), opKind[AbortTask](), opKind[LUNReset](),
		opKind[Submit](), opKind[Load](),
		opKind[Sever](), opKind[Fin](), opKind[Refuse](), opKind[Blackhole](), opKind[Silence](), opKind[Delay](), opKind[Heal](), opKind[Inject](),
		opKind[ArrayOp](),
		opKind[Wait](), opKind[WaitFor](), opKind[Poll](), opKind[Repeat](),
	}
}
