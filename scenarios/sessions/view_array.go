package sessions

import "github.com/iscsispec/iscsispec/trace"

// Array gives the events of the arrays' own view (trace.KindTarget), of the operations or states named, or all of them: sessions that come and
// go there, commands executed, actions carried out. For what each event holds see package simtarget.
func (r *Run) Array(names ...string) trace.Events {
	return r.Events.Where(func(e *trace.Event) bool {
		return e.Kind == trace.KindTarget && (len(names) == 0 || contains(names, e.Op) || contains(names, e.State))
	})
}
