package integrity

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
)

// held is the input of an operation of the model: an access without what it read.
type held struct {
	block   Block
	write   bool
	value   string
	request string
	unknown string // the outcome of a write that was not acknowledged
	foreign bool   // nobody in the history wrote what was read: it can only be what the block held before
	perhaps bool   // one of the earlier sendings of a write that was sent again: it was executed or not
}

// model is a block as a register, for porcupine. A block holds what the run did not write until it is written: the first read before that tells
// what it is, and all others have to agree.
func model() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Partition: byBlock,
		Init:      func() []any { return []any{""} },
		Step: func(state, input, output any) []any {
			in := input.(held)
			switch {
			case in.perhaps:
				return []any{state, in.value}
			case in.write:
				return []any{in.value}
			case state == output || state == "" && in.foreign:
				return []any{output}
			}
			return nil
		},
		DescribeOperation: describe,
		DescribeState: func(state any) string {
			if state == "" {
				return "what it held before"
			}
			return state.(string)
		},
	}
	return m.ToModel()
}

// describe is an operation in a picture.
func describe(input, output any) string {
	in := input.(held)
	switch {
	case in.perhaps:
		return fmt.Sprintf("%s to %d: %s, an earlier sending, perhaps", in.request, in.block.LBA, in.value)
	case !in.write:
		return fmt.Sprintf("%s of %d: %v", in.request, in.block.LBA, output)
	case in.unknown != "":
		return fmt.Sprintf("%s to %d: %s, %s", in.request, in.block.LBA, in.value, in.unknown)
	}
	return fmt.Sprintf("%s to %d: %s", in.request, in.block.LBA, in.value)
}

// byBlock parts a history by block, in the order of first accesses.
func byBlock(all []porcupine.Operation) [][]porcupine.Operation {
	var parts [][]porcupine.Operation
	place := map[Block]int{}
	for _, op := range all {
		b := op.Input.(held).block
		i, there := place[b]
		if !there {
			i = len(parts)
			place[b] = i
			parts = append(parts, nil)
		}
		parts[i] = append(parts[i], op)
	}
	return parts
}

// sendingsMax bounds the earlier sendings of one write that are considered.
const sendingsMax = 8

// operations are the accesses in porcupine's form. A write of unknown outcome returns after everything else: whether it comes last or is never
// executed nobody sees. The earlier sendings of a write that may show are operations beside it, unless strict: then a write is executed once. Each
// requester is a client of its own, and so is what overlaps its next request.
func operations(accesses []Access, ended time.Duration, strict bool) []porcupine.Operation {
	clients := map[string]int{}
	client := func(name string) int {
		if _, there := clients[name]; !there {
			clients[name] = len(clients)
		}
		return clients[name]
	}
	written := map[string]bool{}
	for _, a := range accesses {
		written[a.Value] = written[a.Value] || a.Write
	}
	var ops []porcupine.Operation
	for _, a := range accesses {
		in := held{block: a.Block, write: a.Write, request: a.Request}
		op := porcupine.Operation{ClientId: client(a.Requester), Call: int64(a.Call), Return: int64(a.Return)}
		if !a.Write {
			in.foreign = !written[a.Value]
			op.Input, op.Output = in, a.Value
			ops = append(ops, op)
			continue
		}
		if in.value = a.Value; !a.Known {
			in.unknown = a.Outcome
			op.ClientId, op.Return = client(a.Request), int64(ended)+1
		}
		op.Input = in
		ops = append(ops, op)
		for k := range min(a.Again(), sendingsMax) {
			if strict || !a.repeats(k, accesses) {
				continue
			}
			earlier := op
			in.perhaps = true
			// The login of the session that sent it again ended what the target still had of it.
			earlier.Call, earlier.Return = int64(a.Sendings[k].At), min(op.Return, int64(a.Sendings[k+1].At))
			earlier.Input, earlier.ClientId = in, client(fmt.Sprintf("%s, sending %d", a.Request, k+1))
			ops = append(ops, earlier)
		}
	}
	return ops
}

// repeats reports whether the k-th sending of a write, which was sent again, may show as an execution of its own. It may where another write of the
// block was under way at the same time, so that both were with the target before anybody knew of the loss; and where the write was given up in the
// end, since then nobody waits for what the target still does with it. In any other case whoever could tell the executions apart had to wait.
func (a Access) repeats(k int, accesses []Access) bool {
	if !a.Known {
		return true
	}
	from, to := a.underWay(a.Sendings[k])
	for _, other := range accesses {
		if !other.Write || other.Value == a.Value {
			continue
		}
		for _, s := range other.Sendings {
			if began, ended := other.underWay(s); began <= to && from <= ended {
				return true
			}
		}
	}
	return false
}
