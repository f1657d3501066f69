package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
)

// readOptions are the flags of read.
type readOptions struct {
	diskOptions
	length byteCount
	to     string
}

func (p *program) readCommand() *cobra.Command {
	o := &readOptions{}
	cmd := &cobra.Command{
		Use:   "read URL --length N",
		Short: "Read bytes of a logical unit",
		Long: `read logs in to iscsi://[user[%password]@]host[:port]/target/lun and copies --length bytes from --offset to a file or to
standard output. Both are of whole blocks of the unit. Numbers may end in K, M, G or T, for powers of 1024.

Exit status: 0 all was read, 1 the unit refused, 2 what was asked for does not fit the unit, 3 it could not be reached.` + credentialsHelp,
		Example: `  iscsispec read iscsi://192.0.2.10/iqn.2003-01.com.example:disk/0 --length 1M --to first.img
  iscsispec read iscsi://192.0.2.10/iqn.2003-01.com.example:disk/0 --offset 64K --length 4K | xxd`,
		Args: one("URL"),
		RunE: p.onURL(o.run),
	}
	o.addDiskFlags(cmd)
	cmd.Flags().Var(&o.length, "length", "how much to read")
	cmd.Flags().StringVar(&o.to, "to", "-", `file to write, or "-" for standard output`)
	return cmd
}

// transferReport is what read and write print as JSON.
type transferReport struct {
	URL     string  `json:"url"`
	Offset  int64   `json:"offset"`
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
}

func (o *readOptions) run(cmd *cobra.Command, u iscsi.URL) error {
	out, isFile := cmd.OutOrStdout().(*os.File)
	switch {
	case o.length < 1:
		return usageError("--length: want a number of bytes, at least one block")
	case o.to == "-" && o.asJSON:
		return usageError("--json and the data cannot both go to standard output: give --to FILE")
	case !cmd.Flags().Changed("to") && isFile && term.IsTerminal(int(out.Fd())):
		return usageError("standard output is a terminal: give --to FILE, or --to - to have the bytes there")
	}
	if err := o.checkUnit(u); err != nil {
		return err
	}
	return o.withDisk(cmd, u, func(ctx context.Context, disk *initiator.Disk) error {
		// A file that is there stays as it is where the unit cannot give what was asked for.
		if err := disk.Check(int64(o.offset), int64(o.length)); err != nil {
			return err
		}
		began := time.Now()
		n, err := o.copy(ctx, disk, cmd.OutOrStdout())
		report := transferReport{plainURL(u).String(), int64(o.offset), n, time.Since(began).Seconds()}
		if err == nil && o.asJSON {
			return writeJSON(cmd.OutOrStdout(), report)
		}
		told := cmd.OutOrStdout()
		if o.to == "-" || err != nil {
			told = cmd.ErrOrStderr()
		}
		fmt.Fprintf(told, "read %d of %d bytes at offset %d %s\n", n, o.length, o.offset, rateText(n, time.Since(began)))
		return err
	})
}

// copy reads into the file or to standard output.
func (o *readOptions) copy(ctx context.Context, disk *initiator.Disk, out io.Writer) (int64, error) {
	if o.to == "-" {
		return disk.ReadTo(ctx, localWriter{out}, int64(o.offset), int64(o.length))
	}
	file, err := os.Create(o.to)
	if err != nil {
		return 0, usageError("--to: %w", err)
	}
	n, err := disk.ReadTo(ctx, localWriter{file}, int64(o.offset), int64(o.length))
	if closed := file.Close(); err == nil && closed != nil {
		err = usageError("--to: %w", closed)
	}
	return n, err
}

// localWriter marks what fails on this machine, so that it is not laid at the target's door.
type localWriter struct{ to io.Writer }

func (w localWriter) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	if err != nil {
		err = usageError("--to: %w", err)
	}
	return n, err
}
