package target

import (
	"bytes"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// solicited are the keys of a session in which every byte of a write is asked for by an R2T.
func solicited(more ...string) probe.Login {
	return probe.Login{Keys: Keys(append([]string{"InitialR2T=Yes", "ImmediateData=No"}, more...)...)}
}

// inquiry asks for the standard data as ordinary initiators do.
func inquiry() probe.Command { return probe.Command{CDB: scsi.Inquiry(96), Read: 96} }

// room cuts a number of bytes to what the check's own blocks hold from block lba on.
func (t *T) room(c *probe.Conn, lba uint32, n int) int {
	unit, err := c.Capacity()
	t.Check(err, "the size of the logical unit")
	own := unit.Blocks - min(unit.Blocks, uint64(t.Options().First))
	if t.Options().Own > 0 {
		own = min(own, uint64(t.Options().Own))
	}
	return int(min(uint64(n), (own-min(own, uint64(lba)))*uint64(unit.BlockSize)))
}

// mixture makes n commands of different kinds; half of the transfers are writes where the logical unit may be written to.
func (t *T) mixture(c *probe.Conn, n int) []probe.Command {
	var commands []probe.Command
	for i := range n {
		lba := uint32(i % 32)
		switch kind := i % 5; {
		case kind == 0:
			commands = append(commands, probe.TestUnitReady())
		case kind == 1:
			commands = append(commands, inquiry())
		case kind == 2:
			commands = append(commands, probe.Command{CDB: scsi.ReadCapacity10(), Read: scsi.Capacity10Length})
		case kind == 3 && t.MayWrite():
			commands = append(commands, t.Write(c, lba, pattern(uint32(i), 512)))
		default:
			commands = append(commands, t.Read(c, lba, 512))
		}
	}
	return commands
}

// Together executes commands as far as the window allows at the same time, and awaits all of them.
func (t *T) Together(c *probe.Conn, commands ...probe.Command) []probe.Result {
	var results []probe.Result
	for len(commands) > 0 {
		n := min(len(commands), max(1, c.Session.Window()))
		var tasks []*probe.Task
		for _, command := range commands[:n] {
			tasks = append(tasks, c.Start(command))
		}
		for _, task := range tasks {
			results = append(results, task.Await())
		}
		commands = commands[n:]
	}
	return results
}

// Done executes a command that has to complete with GOOD; one unit attention is retried.
func (t *T) Done(c *probe.Conn, command probe.Command, what string) probe.Result {
	r := c.Execute(command)
	if r.UnitAttention() {
		r = c.Execute(command)
	}
	if r.Check() && r.Sense != nil && r.Sense.Key == scsi.DataProtect {
		t.Skip("The logical unit does not take writes: %v.", r)
	}
	return t.Good(r, what)
}

// Fill writes data to block lba.
func (t *T) Fill(c *probe.Conn, lba uint32, data []byte) { t.Done(c, t.Write(c, lba, data), "a WRITE") }

// Content reads n bytes from block lba.
func (t *T) Content(c *probe.Conn, lba uint32, n int) []byte {
	data := t.Done(c, t.Read(c, lba, n), "a READ").Data
	if len(data) < n {
		t.Fail(fmt.Sprintf("a READ that brings %d of %d bytes", len(data), n), "all bytes")
	}
	return data[:n]
}

// Holds ends the part unless the blocks from lba on hold the data.
func (t *T) Holds(c *probe.Conn, lba uint32, data []byte, what string) {
	got := t.Content(c, lba, len(data))
	if bytes.Equal(got, data) {
		return
	}
	at := 0
	for got[at] == data[at] {
		at++
	}
	t.Fail(fmt.Sprintf("%s: byte %d of block %d on is 0x%02x", what, at, lba, got[at]), fmt.Sprintf("0x%02x", data[at]))
}

// Held starts a WRITE and awaits its first R2T, which it leaves unserved. The session has to be one of solicited. An ITT other than 0 is the
// task's.
func (t *T) Held(c *probe.Conn, lba uint32, data []byte, itt uint32) (*probe.Task, *pdu.R2T) {
	command := t.askedFor(c, lba, data)
	if itt != 0 {
		command.Patch = func(p *pdu.SCSICommand) { p.ITT = itt }
	}
	task := c.Start(command)
	r2t, e := task.AwaitR2T()
	if r2t == nil {
		if response, is := probe.As[*pdu.SCSIResponse](e); is && response.Status == byte(scsi.StatusCheckCondition) {
			if sense, err := scsi.ParseSense(response.Sense()); err == nil && sense.Key == scsi.DataProtect {
				t.Skip("The logical unit does not take writes: %v.", e)
			}
		}
		t.Fail(e, "an R2T for a WRITE without unsolicited data")
	}
	return task, r2t
}

// Quiet takes all that comes until nothing has come for the quiet time, or the connection ends.
func (t *T) Quiet(c *probe.Conn) probe.Event {
	for range 1 << 16 {
		if e, silent := c.AwaitSilence(); silent || e.Kind != probe.Arrived {
			return e
		}
	}
	t.Unclear("The target does not stop talking.")
	return probe.Event{}
}
