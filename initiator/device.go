package initiator

import (
	"cmp"
	"slices"
	"sync"
)

// deviceStack is the host's list of devices: one entry for each identity, with the sessions that reach it as its paths. All
// sessions of one Manager share it; each touches its own paths only.
type deviceStack struct {
	mu      sync.Mutex
	devices []*device
	policy  PathPolicy
}

// setPolicy says which paths requests take from now on.
func (d *deviceStack) setPolicy(policy PathPolicy) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.policy = policy
}

// device is one unit of storage.
type device struct {
	name     string
	identity Identity
	unit     unit
	paths    []devicePath
	// turn is the path whose turn it is, modulo their number.
	turn int
}

// devicePath is one way to a device.
type devicePath struct {
	session *managedSession
	id      SessionID
	lun     uint64
	blocked bool
	boot    bool
}

// arrive adds the path of session to the device that u is, and the device if it is new. It returns how many paths the device
// has now.
func (d *deviceStack) arrive(s *managedSession, id SessionID, u *unit, boot bool) (paths int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := u.name()
	i := slices.IndexFunc(d.devices, func(o *device) bool { return o.name == name })
	if i < 0 {
		d.devices = append(d.devices, &device{name: name})
		i = len(d.devices) - 1
	}
	dev := d.devices[i]
	dev.identity, dev.unit = u.identity, *u
	dev.paths = append(dev.paths, devicePath{session: s, id: id, lun: u.lun, boot: boot})
	slices.SortStableFunc(dev.paths, func(a, b devicePath) int { return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.lun, b.lun)) })
	return len(dev.paths)
}

// update takes over what a unit tells anew about its size and revision.
func (d *deviceStack) update(u *unit) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, dev := range d.devices {
		if dev.name == u.name() {
			dev.unit = *u
		}
	}
}

// leave takes the path of session to the unit away, and the device with its last path. It returns how many paths are left.
func (d *deviceStack) leave(s *managedSession, u *unit) (paths int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := u.name()
	i := slices.IndexFunc(d.devices, func(o *device) bool { return o.name == name })
	if i < 0 {
		return 0
	}
	dev := d.devices[i]
	dev.paths = slices.DeleteFunc(dev.paths, func(p devicePath) bool { return p.session == s && p.lun == u.lun })
	if len(dev.paths) == 0 {
		d.devices = slices.Delete(d.devices, i, i+1)
	}
	return len(dev.paths)
}

// block marks the path of session to the unit as blocked or not.
func (d *deviceStack) block(s *managedSession, u *unit, blocked bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, dev := range d.devices {
		for i := range dev.paths {
			if p := &dev.paths[i]; p.session == s && p.lun == u.lun {
				p.blocked = blocked
			}
		}
	}
}

// pathsOf returns how many paths lead to the device that the unit is.
func (d *deviceStack) pathsOf(u *unit) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := u.name()
	for _, dev := range d.devices {
		if dev.name == name {
			return len(dev.paths)
		}
	}
	return 0
}

// lastSession reports whether all paths of the device of that name are through one session.
func (d *deviceStack) lastSession(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, dev := range d.devices {
		if dev.name == name {
			return !slices.ContainsFunc(dev.paths, func(p devicePath) bool { return p.session != dev.paths[0].session })
		}
	}
	return false
}

// rename gives a session's paths another session ID; only a deviating initiator does.
func (d *deviceStack) rename(s *managedSession, id SessionID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, dev := range d.devices {
		for i := range dev.paths {
			if dev.paths[i].session == s {
				dev.paths[i].id = id
			}
		}
	}
}

// knowsLUN reports whether any session to the target reaches a device under that LUN.
func (d *deviceStack) knowsLUN(target string, lun uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, dev := range d.devices {
		for _, p := range dev.paths {
			if p.lun == lun && p.session.spec.Target == target {
				return true
			}
		}
	}
	return false
}

// dropLUN takes away all paths under a LUN, whosesoever; only a deviating initiator does.
func (d *deviceStack) dropLUN(lun uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, dev := range d.devices {
		dev.paths = slices.DeleteFunc(dev.paths, func(p devicePath) bool { return p.lun == lun })
	}
	d.devices = slices.DeleteFunc(d.devices, func(o *device) bool { return len(o.paths) == 0 })
}

// path picks the way for a request to the device of that name: by the policy among those that are not blocked, or else the first.
func (d *deviceStack) path(name string) (s *managedSession, lun uint64, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, dev := range d.devices {
		if dev.name == name {
			best := dev.pick(d.policy)
			return best.session, best.lun, true
		}
	}
	return nil, 0, false
}

// pick chooses a path of a device, which has one at least.
func (dev *device) pick(policy PathPolicy) devicePath {
	first := 0
	if policy == RoundRobin {
		first = dev.turn % len(dev.paths)
	}
	for i := range dev.paths {
		if at := (first + i) % len(dev.paths); !dev.paths[at].blocked {
			dev.turn = at + 1
			return dev.paths[at]
		}
	}
	return dev.paths[0]
}

// otherPath returns a path, through another session, that is not blocked, to the device that a session has at a LUN; only a deviating
// initiator asks.
func (d *deviceStack) otherPath(s *managedSession, lun uint64) (other *managedSession, otherLUN uint64, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, dev := range d.devices {
		if !slices.ContainsFunc(dev.paths, func(p devicePath) bool { return p.session == s && p.lun == lun }) {
			continue
		}
		if i := slices.IndexFunc(dev.paths, func(p devicePath) bool { return p.session != s && !p.blocked }); i >= 0 {
			return dev.paths[i].session, dev.paths[i].lun, true
		}
	}
	return nil, 0, false
}

// list describes all devices in the order of their arrival.
func (d *deviceStack) list() []DeviceInfo {
	d.mu.Lock()
	defer d.mu.Unlock()
	infos := make([]DeviceInfo, 0, len(d.devices))
	for _, dev := range d.devices {
		info := DeviceInfo{
			Name: dev.name, Identity: dev.identity, Type: byte(dev.unit.data.DeviceType), Revision: dev.unit.data.Revision,
			Blocks: dev.unit.blocks, BlockSize: dev.unit.blockSize, Blocked: true,
		}
		for _, p := range dev.paths {
			info.Paths = append(info.Paths, PathInfo{Session: p.id, LUN: p.lun, Blocked: p.blocked, Boot: p.boot})
			info.Blocked = info.Blocked && p.blocked
			info.Boot = info.Boot || p.boot
		}
		infos = append(infos, info)
	}
	return infos
}
