package gotgt

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gostor/gotgt/pkg/config"
	"github.com/gostor/gotgt/pkg/port/iscsit"
	"github.com/gostor/gotgt/pkg/scsi"
	_ "github.com/gostor/gotgt/pkg/scsi/backingstore" // registers the file backing store
	"github.com/sirupsen/logrus"
)

// listenTime bounds the time that gotgt may take until it listens. Only a broken machine needs it.
const listenTime = time.Minute

// portalGroup is the portal group tag of the child's only portal.
const portalGroup = 1

// What the child tells its parent about who can reach the portal.
const (
	reachLoopback   = "loopback"
	reachEverywhere = "everywhere"
)

// Main is the child's program: it serves one target with one disk until its standard input ends, which also happens when the parent
// dies. The first line on standard output is the portal's address and whether only loopback reaches it. args are those behind
// Verb. It returns the exit status, and may not return: gotgt calls os.Exit when it cannot listen.
func Main(args []string) int {
	flags := flag.NewFlagSet(Verb, flag.ContinueOnError)
	dir := flags.String("dir", "", "an existing directory for the disk's file; removed at the end")
	size := flags.Int64("size", 0, "the disk's size in bytes, a multiple of 512")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *dir == "" || *size <= 0 || *size%512 != 0 {
		fmt.Fprintf(os.Stderr, "%s: want --dir and a positive --size that is a multiple of 512; this verb is not for users\n", Verb)
		return 2
	}
	defer func() { _ = os.RemoveAll(*dir) }()
	if err := serve(*dir, *size); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", Verb, err)
		return 1
	}
	return 0
}

func serve(dir string, size int64) error {
	listening := make(chan string, 1)
	logrus.SetOutput(os.Stderr)
	logrus.SetLevel(logrus.InfoLevel) // the address is told at this level
	logrus.AddHook(addressHook(listening))
	driver, err := newDriver(filepath.Join(dir, "disk"), size)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- driver.Run(0) }()
	timer := time.NewTimer(listenTime)
	defer timer.Stop()
	select {
	case address := <-listening:
		logrus.SetLevel(logrus.WarnLevel)
		if err := announce(driver, address); err != nil {
			return err
		}
	case err := <-ended:
		return fmt.Errorf("gotgt ended: %w", err)
	case <-timer.C:
		return fmt.Errorf("gotgt did not listen within %v", listenTime)
	}
	_, err = io.Copy(io.Discard, os.Stdin) // until the parent closes it or dies
	return err
}

// newDriver sets up gotgt with one target and, behind LUN 0, a disk of 512-byte blocks in a sparse file.
func newDriver(path string, size int64) (*iscsit.ISCSITargetDriver, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := file.Truncate(size); err != nil {
		return nil, err
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	c := &config.Config{
		Storages: []config.BackendStorage{{DeviceID: 1000, Path: "file:" + path, Online: true, BlockShift: 9}},
		ISCSITargets: map[string]config.ISCSITarget{
			TargetName: {TPGTs: map[string][]uint64{fmt.Sprint(portalGroup): nil}, LUNs: map[string]uint64{"0": 1000}},
		},
	}
	if err := scsi.InitSCSILUMap(c); err != nil {
		return nil, err
	}
	made, err := scsi.NewTargetDriver("iscsi", scsi.NewSCSITargetService())
	if err != nil {
		return nil, err
	}
	driver, ok := made.(*iscsit.ISCSITargetDriver)
	if !ok {
		return nil, fmt.Errorf("gotgt's iscsi driver is a %T", made)
	}
	return driver, driver.NewTarget(TargetName, c)
}

// announce ties the socket to loopback, makes the portal known to the target, which looks its portal group up by the address that an
// initiator connected to, and tells the parent.
func announce(driver *iscsit.ISCSITargetDriver, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("gotgt listens on %q: %w", address, err)
	}
	reach := reachLoopback
	if err := tieToLoopback(port); err != nil {
		fmt.Fprintf(os.Stderr, "%s: the target can be reached from outside: %v\n", Verb, err)
		reach = reachEverywhere
	}
	portal := net.JoinHostPort("127.0.0.1", port)
	if err := driver.AddiSCSIPortal(TargetName, portalGroup, portal); err != nil {
		return err
	}
	_, err = fmt.Printf("%s %s\n", portal, reach)
	return err
}

// addressHook takes the listening address from gotgt's log, the only place where it tells it.
type addressHook chan<- string

// Levels says that the address is told at level info.
func (addressHook) Levels() []logrus.Level { return []logrus.Level{logrus.InfoLevel} }

// Fire hands the address over, once.
func (h addressHook) Fire(e *logrus.Entry) error {
	if address, ok := strings.CutPrefix(e.Message, "iSCSI service listening on: "); ok {
		select {
		case h <- address:
		default:
		}
	}
	return nil
}
