package simtarget

import (
	"runtime"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// script is what a sound initiator sends: a login, and the given PDUs.
func script(login bool, pdus ...pdu.PDU) []byte {
	p := &peer{isid: [6]byte{0x80, 0, 0, 1}, cid: 1, cmdSN: 100, itt: 1, name: initiatorName, target: "iqn.2026-01.io.iscsispec:plain"}
	var b []byte
	if login {
		b = pdu.Encode(b, p.request(pdu.StageOperational, pdu.StageFullFeature, true, p.names()), pdu.Digests{})
	}
	return append(b, encoded(pdu.Digests{}, pdus...)...)
}

// encoded is PDUs as bytes.
func encoded(d pdu.Digests, pdus ...pdu.PDU) []byte {
	var b []byte
	for _, p := range pdus {
		b = pdu.Encode(b, p, d)
	}
	return b
}

// How FuzzConnection begins: with nothing, or behind a login of a kind that raider.logIn knows.
const (
	behindNothing   = 0xff
	behindPlain     = 0
	behindDigests   = 1
	behindCHAP      = 2
	behindDiscovery = 3
	behindRecovery  = 4
)

// FuzzConnection sends arbitrary bytes at a connection, before the login or behind a sound one, whole or in pieces. The array must end in good
// order: see siege.
func FuzzConnection(f *testing.F) {
	cdb := func(b []byte) [16]byte { return [16]byte(append(b, make([]byte, 16-len(b))...)) }
	write := &pdu.SCSICommand{Final: true, Write: true, ITT: 2, ExpectedDataTransferLength: 4096, CmdSN: 100, CDB: cdb(scsi.Write10(0, 8))}
	read := &pdu.SCSICommand{Final: true, Read: true, ITT: 3, ExpectedDataTransferLength: 4096, CmdSN: 101, CDB: cdb(scsi.Read10(0, 8))}
	data := &pdu.DataOut{Final: true, ITT: 2, TTT: 1, Data: make([]byte, 4096)}
	abort := &pdu.TaskManagementRequest{Immediate: true, Function: pdu.FunctionAbortTaskSet, ITT: 9, CmdSN: 101}
	list := &pdu.TextRequest{Immediate: true, Final: true, ITT: 4, TTT: pdu.ReservedTag, Data: []byte("SendTargets=All\x00")}
	ping := &pdu.NOPOut{Immediate: true, ITT: 5, TTT: pdu.ReservedTag, Data: []byte("ping")}
	logout := &pdu.LogoutRequest{Immediate: true, ITT: 7}
	var none pdu.Digests
	f.Add(byte(behindNothing), byte(0), []byte("GET / HTTP/1.0\r\n\r\n"))
	f.Add(byte(behindNothing), byte(1), encoded(none, &pdu.LoginRequest{Continue: true, CSG: pdu.StageOperational, Data: make([]byte, 8192)}))
	for _, kind := range []byte{behindPlain, behindCHAP, behindRecovery} {
		f.Add(kind, byte(0), encoded(none, write, data, read, ping, logout))
		f.Add(kind, byte(3), encoded(none, write, abort, data, read, &pdu.SNACKRequest{ITT: 6}))
	}
	both := pdu.Digests{Header: true, Data: true}
	f.Add(byte(behindDigests), byte(0), encoded(both, write, data, read, ping, logout))
	f.Add(byte(behindDigests), byte(2), append(encoded(both, write), encoded(none, data)...))
	f.Add(byte(behindDiscovery), byte(0), encoded(none, list, ping, logout))
	f.Add(byte(behindPlain), byte(0), encoded(none, list, logout))
	f.Fuzz(func(t *testing.T, kind, piece byte, b []byte) {
		besiege(t, func(z *siege) {
			portal := "A"
			if kind == behindCHAP {
				portal = "C"
			}
			r := z.raid(portal)
			r.cmdSN, r.again = 100, true
			if kind != behindNothing {
				r.logIn(kind % 7)
				if !r.full {
					z.Fatal("a sound login is refused")
				}
			}
			r.segment = int(piece)
			r.write(b[:min(len(b), 64<<10)])
			z.bounded()
			z.kept()
			r.drain()
			z.bounded()
		})
	})
}

// steps makes a program of steps and programs.
func steps(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func do(op byte, arguments ...byte) []byte {
	b := [4]byte{op}
	copy(b[1:], arguments)
	return b[:]
}

// siegeSeeds are programs in which every step has its turn.
func siegeSeeds() [][]byte {
	moves := steps(
		do(doWrite, 8, 0, 0x20), do(doWrite, 64, 2, 0x20), do(doAnswerR2T), do(doAnswerR2T, 0, 1), do(doAnswerR2T, 0, 2), do(doAnswerR2T), do(doAnswerR2T),
		do(doRead, 64, 0), do(doCommand, 0), do(doCommand, 5, 0, 3), do(doPing, 4, 1), do(doPing, 1), do(doText, 0), do(doText, 3, 2), do(doText, 0, 4),
		do(doWrite, 20, 0, 0x30), do(doStrayData, 1, 0, 0x11))
	manages := steps(do(doWrite, 64, 0, 0x20), do(doManage, 0x80, 1), do(doAnswerR2T), do(doWrite, 64, 0, 0), do(doManage, 0, 2), do(doAnswerR2T),
		do(doWrite, 64, 1, 0), do(doManage, 1, 5), do(doAnswerR2T, 0, 4), do(doLongCommand, 30, 16, 7), do(doSNACK, 1, 0x81, 1), do(doManage, 0, 6))
	var seeds [][]byte
	add := func(parts ...[]byte) { seeds = append(seeds, steps(parts...)) }
	for kind := range byte(8) {
		add(do(doConnect, kind|kind<<5&0xc0), moves, do(doLogout))
		add(do(doConnect, kind), manages, do(doLogout, 1))
	}
	add(do(doConnect, 0x82), moves, do(doCut, 1))
	add(do(doConnect, 4), do(doWrite, 200), do(doAnswerR2T, 0, 2), do(doConnect, 12, 2), moves, do(doConnect, 12, 0x42), manages, do(doCut, 1), do(doSleep, 2),
		do(doConnect, 12, 2), moves)
	add(do(doConnect, 0x20), moves, manages)
	add(do(doConnect, 0x24), moves, do(doConnect, 0x2c, 2), do(doManage, 0, 8, 3), do(doLogout, 2))
	for op := byte(doFlip); op <= doTruncate; op++ {
		for at := range byte(4) {
			add(do(doConnect, at), do(op, at*11, 0x81+at, 3), do(doWrite, 8, 0, 0x20), do(op, at*5, 0xff, 1), do(doRead, 8), do(doPing, 8, 1), do(doText))
		}
	}
	for how := range byte(5) {
		add(do(doConnect), do(doWrite, 128), do(doRead, 255, 0, 1), do(doCut, how), do(doRead, 255, 0, 1), do(doSleep, 1), do(doConnect, 0, 2), moves)
	}
	for segment := range byte(6) {
		add(do(doConnect, 7), do(doSegment, segment), moves, do(doConnect, 1), do(doSegment, segment), moves)
	}
	for function := range byte(14) {
		for _, kind := range []byte{0, 4, 0x10} {
			add(do(doConnect, kind), do(doWrite, 64, 0, 0x20), do(doWrite, 8), do(doCommand, 0, 0, 0x10), do(doManage, 0, function, 1), do(doAnswerR2T),
				do(doAnswerR2T, 0, 2), do(doManage, 0x80, function), do(doLag), do(doAnswerR2T), moves, do(doManage, 0x42, function, 3), moves)
			add(do(doConnect, kind), do(doConnect, kind), do(doWrite, 64), do(doSelect), do(doWrite, 64), do(doManage, 0x80, function), do(doSelect, 1),
				do(doAnswerR2T), moves, do(doSelect), moves)
		}
	}
	for snack := range byte(6) { // what is not acknowledged is asked for again
		for _, kind := range []byte{4, 5} {
			add(do(doConnect, kind), do(doLag), do(doRead, 64), do(doSNACK, snack, 0, 0), do(doSNACK, snack|2<<3, 1, 1), do(doRead, 8), do(doWrite, 8),
				do(doSNACK, snack, 0x83, 2), do(doSNACK, snack, 0, 1), do(doAnswerR2T, 0, 5), do(doSNACK, snack, 0, 0), do(doSleep, 3), do(doSNACK, snack, 0x82),
				do(doLag, 1), do(doPing, 1, 1), moves, do(doSNACK, snack, 0, 3))
			add(do(doConnect, kind), do(doLag), do(doCut, 3), do(doRead, 255, 0, 1), do(doSNACK, snack, 0, 4), do(doSNACK, snack|1<<3, 2), do(doText, 2),
				do(doSNACK, snack, 0x81), do(doCut, 4), do(doAnswerPing), moves)
		}
	}
	for reason := range byte(4) { // a connection is lost, and another one takes its tasks over
		add(do(doConnect, 4), do(doLag), do(doRead, 64), do(doWrite, 64), do(doText, 2, 1), do(doWrite, 64, 0, 0x20), do(doConnect, 12, 0x40), do(doSelect),
			do(doCut, reason), do(doSelect, 1), do(doLogout, reason, 3), do(doSleep, 2), do(doManage, 0, 8, 0), do(doAnswerR2T), do(doManage, 0, 8, 2),
			do(doManage, 0x80, 8, 2), do(doAnswerR2T), do(doAnswerR2T), do(doManage, 0x90, 8, 3), do(doAnswerR2T), moves)
	}
	for attr := range byte(8) {
		add(do(doConnect), do(doWrite, 64), do(doCommand, 17, 0, attr<<4), do(doCommand, 18, 0, attr<<4), do(doConnect, 0, 0), do(doCommand, 0, 0, attr<<4),
			do(doWrite, 8), do(doSelect), do(doAnswerR2T), do(doCommand, 0, 0, 0x50), do(doManage, 0, 3), do(doCommand, 20), do(doSelect, 1), moves)
	}
	for kind := range byte(7) {
		add(do(doConnect, kind|0x10), moves, manages)
		add(do(doConnect, kind|0x18, 1), do(doText, 2, 2), do(doText, 2, 4), do(doText, 5, 3, 9), do(doText, 1, 4), do(doSleep, 4), do(doSleep, 4), do(doAnswerPing),
			do(doSleep, 4), do(doCut, 3), do(doSleep, 4), do(doSleep, 4))
		for _, change := range [][]byte{do(doFlip, 1, 0x40), do(doFlip, 1, 0x80), do(doCorrupt, 0, 60, 1), do(doLength, 0, 0x20), do(doTruncate, 50), do(doDeliver)} {
			add(do(doConnect), change, do(doConnect, kind, 0), moves)
		}
	}
	for event := range byte(5) {
		add(do(doConnect), do(doWrite, 128), do(doAsync, 1, event), do(doSleep, 3), moves)
	}
	add(do(doConnect), do(doCut, 3), do(doRead, 255, 0, 1), do(doRead, 255, 0, 1), do(doRead, 255, 0, 1), do(doPing, 255, 1), do(doSleep, 4), do(doCut, 4), moves)
	add(do(doConnect, 7), do(doBytes, 64), []byte("GET / HTTP/1.0\r\n\r\n"))
	return seeds
}

// FuzzSiege carries out programs: valid sessions of all kinds, on several connections at a time, with changes to fields, lengths, order,
// segments and digests, with cuts and silence. The array must end in good order, with no limit passed at any time: see siege.
func FuzzSiege(f *testing.F) {
	for _, seed := range siegeSeeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) { besiege(t, func(z *siege) { z.run(b) }) })
}

// Siege after siege leaves nothing behind: what one process holds when they are over does not grow with their number.
func TestSiegesLeaveNoMemory(t *testing.T) {
	seeds := siegeSeeds()
	held := func() uint64 {
		for i := 0; i < len(seeds); i += 5 {
			besiege(t, func(z *siege) { z.run(seeds[i]) })
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	first := held() // pools and tables are filled
	if second := held(); second > first+1<<20 {
		t.Errorf("%d bytes are held after one round of sieges, %d after the next", first, second)
	}
}
