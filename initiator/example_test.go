package initiator_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// simulated stands for the storage array that a reader of the examples has: it starts one, and returns the URL of its disk.
func simulated(name string) (iscsi.URL, *simtarget.Array) {
	profile, err := simtarget.Builtin(name)
	if err != nil {
		log.Fatal(err)
	}
	array, err := simtarget.New(profile, simtarget.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := array.Start(simtarget.ListenLoopback); err != nil {
		log.Fatal(err)
	}
	return array.URLs()[0], array
}

// A login, one command, and the logout.
func ExampleLogin() {
	ctx := context.Background()
	url, array := simulated("plain")
	defer array.Close()

	session, err := initiator.Login(ctx, &net.Dialer{}, initiator.LoginConfig{
		InitiatorName: "iqn.2026-01.com.example:host",
		TargetName:    url.Target,
		Portal:        url.Portal,
		ISID:          iscsi.RandomISID(0x123456, 0),
	})
	if err != nil {
		log.Fatal(err)
	}
	read := &initiator.Request{LUN: uint64(scsi.LUNOf(0)), CDB: scsi.Read10(0, 8), Read: make([]byte, 8*512)}
	if err := session.Do(ctx, read); err != nil {
		log.Fatal(err)
	}
	fmt.Println(read.Outcome(), read.Transferred, "bytes")
	if err := session.Logout(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: GOOD 4096 bytes
}

// A target that asks for a proof, and has to give one itself.
func ExampleCHAP() {
	ctx := context.Background()
	url, array := simulated("chap")
	defer array.Close()

	cfg := initiator.LoginConfig{
		InitiatorName: "iqn.2026-01.com.example:host", TargetName: url.Target, Portal: url.Portal, ISID: iscsi.RandomISID(0x123456, 0),
		CHAP: &initiator.CHAP{
			Name: "iscsispec", Secret: "iscsispec-secret",
			TargetName: "array", TargetSecret: "iscsispec-array-secret", // Makes it mutual.
		},
	}
	session, err := initiator.Login(ctx, &net.Dialer{}, cfg)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("logged in; credentials print as", cfg.CHAP.Secret)
	_ = session.Logout(ctx)

	cfg.CHAP.Secret = "somebody else's"
	_, err = initiator.Login(ctx, &net.Dialer{}, cfg)
	fmt.Println("refused:", errors.Is(err, initiator.ErrAuthFailed))
	// Output:
	// logged in; credentials print as [redacted]
	// refused: true
}

// A discovery session asks a portal for its targets and where they are.
func ExampleSession_SendTargets() {
	ctx := context.Background()
	url, array := simulated("plain")
	defer array.Close()

	session, err := initiator.Login(ctx, &net.Dialer{}, initiator.LoginConfig{
		InitiatorName: "iqn.2026-01.com.example:host", Type: initiator.DiscoverySession, Portal: url.Portal, ISID: iscsi.RandomISID(0x123456, 0),
	})
	if err != nil {
		log.Fatal(err)
	}
	targets, err := session.SendTargets(ctx, "All")
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range targets {
		fmt.Println(t.Name, "at", len(t.Addresses), "portal")
	}
	_ = session.Logout(ctx)
	// Output: iqn.2026-01.io.iscsispec:plain at 1 portal
}

// A disk is read and written at any place, in commands that its unit takes.
func ExampleOpenDisk() {
	ctx := context.Background()
	url, array := simulated("plain")
	defer array.Close()

	session, err := initiator.Login(ctx, &net.Dialer{}, initiator.LoginConfig{
		InitiatorName: "iqn.2026-01.com.example:host", TargetName: url.Target, Portal: url.Portal, ISID: iscsi.RandomISID(0x123456, 0),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	disk, err := initiator.OpenDisk(ctx, session, uint64(scsi.LUNOf(0)), initiator.DiskOptions{})
	if err != nil {
		log.Fatal(err)
	}
	block := make([]byte, disk.BlockSize())
	copy(block, "written over the network")
	if _, err := disk.WriteAt(block, 1<<20); err != nil {
		log.Fatal(err)
	}
	text := make([]byte, 24)
	if _, err := disk.ReadAt(text, 1<<20); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d MiB in blocks of %d; %s\n", disk.Size()>>20, disk.BlockSize(), text)
	// Output: 64 MiB in blocks of 512; written over the network
}

// The Manager keeps a session over the loss of its connection: the request that finds the link down waits, and the device stays.
func ExampleManager() {
	ctx := context.Background()
	url, array := simulated("plain")
	defer array.Close()

	manager, err := initiator.NewManager(initiator.ManagerConfig{
		InitiatorName:     "iqn.2026-01.com.example:host",
		Ports:             []initiator.Port{{Name: "eth0", Dialer: &net.Dialer{}}},
		ReconnectInterval: 10 * time.Millisecond, // The default is 5 s.
	})
	if err != nil {
		log.Fatal(err)
	}
	defer manager.Close()
	id, err := manager.Login(ctx, initiator.LoginSpec{Kind: initiator.Data, Target: url.Target, Portal: url.Portal})
	if err != nil {
		log.Fatal(err)
	}
	device := manager.Devices()[0]
	fmt.Printf("session %v, device of %d MiB\n", id, device.Blocks*uint64(device.BlockSize)>>20)

	if err := array.Apply(simtarget.Action{Drop: &simtarget.Drop{How: simtarget.EndRST}}); err != nil { // The connection is reset.
		log.Fatal(err)
	}
	read := &initiator.Request{CDB: scsi.Read10(0, 1), Read: make([]byte, 512)}
	if err := manager.DoDevice(ctx, device.Name, read); err != nil {
		log.Fatal(err)
	}
	status, err := manager.Session(id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s; session %v is %v after %d logins\n", read.Outcome(), status.ID, status.State, status.Logins)
	// Output:
	// session 1, device of 64 MiB
	// GOOD; session 1 is connected after 2 logins
}
