package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scenarios"
)

// flushLimit bounds the wait for the unit to empty its cache.
const flushLimit = 60 * time.Second

// writeOptions are the flags of write.
type writeOptions struct {
	diskOptions
	in    string
	allow string
}

func (p *program) writeCommand() *cobra.Command {
	o := &writeOptions{}
	cmd := &cobra.Command{
		Use:   "write URL --in FILE --allow writes",
		Short: "Write bytes to a logical unit",
		Long: `write logs in to iscsi://[user[%password]@]host[:port]/target/lun, writes a file or standard input to the unit at --offset,
and has the unit put it on its medium. Offset and length are of whole blocks of the unit. A file is held against the unit
before anything is written; of standard input what came before an odd end is written. Numbers may end in K, M, G or T,
for powers of 1024.

What was at that place is lost, so nothing is written without --allow writes.

Exit status: 0 all was written, 1 the unit refused, 2 the input does not fit the unit, 3 it could not be reached.` + credentialsHelp,
		Example: `  iscsispec write iscsi://192.0.2.10/iqn.2003-01.com.example:disk/0 --in disk.img --allow writes
  xzcat disk.img.xz | iscsispec write iscsi://192.0.2.10/iqn.2003-01.com.example:disk/0 --in - --allow writes --json`,
		Args: one("URL"),
		RunE: p.onURL(o.run),
	}
	o.addDiskFlags(cmd)
	cmd.Flags().StringVar(&o.in, "in", "", `file to write, or "-" for standard input`)
	cmd.Flags().StringVar(&o.allow, "allow", "safe", "what may be done to a foreign target: safe, writes or disruptive")
	return cmd
}

func (o *writeOptions) run(cmd *cobra.Command, u iscsi.URL) error {
	allowed, err := (&checkOptions{allow: o.allow}).allowed()
	switch {
	case err != nil:
		return err
	case o.in == "":
		return usageError(`--in: want a file, or "-" for standard input`)
	}
	if err := o.checkUnit(u); err != nil {
		return err
	}
	if allowed < scenarios.Writes {
		return usageError("this would overwrite what is on %s: say --allow writes if that is meant", plainURL(u))
	}
	input, length, err := o.open(cmd)
	if err != nil {
		return err
	}
	defer input.Close()
	return o.withDisk(cmd, u, func(ctx context.Context, disk *initiator.Disk) error {
		if err := disk.Check(int64(o.offset), length); err != nil {
			return err
		}
		began := time.Now()
		n, err := disk.WriteFrom(ctx, &interruptible{ctx: ctx, from: input}, int64(o.offset))
		if err == nil {
			err = flush(ctx, disk)
		}
		report := transferReport{plainURL(u).String(), int64(o.offset), n, time.Since(began).Seconds()}
		if err == nil && o.asJSON {
			return writeJSON(cmd.OutOrStdout(), report)
		}
		told := cmd.OutOrStdout()
		if err != nil {
			told = cmd.ErrOrStderr()
		}
		fmt.Fprintf(told, "wrote %d bytes at offset %d %s\n", n, o.offset, rateText(n, time.Since(began)))
		return err
	})
}

// open opens the input and tells how long it is; 0 where that shows only at its end.
func (o *writeOptions) open(cmd *cobra.Command) (io.ReadCloser, int64, error) {
	if o.in == "-" {
		return io.NopCloser(cmd.InOrStdin()), 0, nil
	}
	file, err := os.Open(o.in)
	if err != nil {
		return nil, 0, usageError("--in: %w", err)
	}
	info, err := file.Stat()
	switch {
	case err == nil && info.IsDir():
		err = fmt.Errorf("%s is a folder", o.in)
	case err == nil && info.Mode().IsRegular():
		return file, info.Size(), nil
	case err == nil:
		return file, 0, nil
	}
	return nil, 0, usageError("--in: %w", err)
}

// flush puts what was written on the medium.
func flush(ctx context.Context, disk *initiator.Disk) error {
	ctx, cancel := context.WithTimeoutCause(ctx, flushLimit, initiator.ErrTimeout)
	defer cancel()
	if err := disk.Flush(ctx); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	return nil
}

// interruptible lets a Read that waits, for a terminal or a pipe, end with the context. The input is not read from
// again then: what the abandoned Read still gets is dropped.
type interruptible struct {
	ctx    context.Context
	from   io.Reader
	buffer []byte
}

func (r *interruptible) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if len(r.buffer) < len(p) {
		r.buffer = make([]byte, len(p))
	}
	type outcome struct {
		n   int
		err error
	}
	done := make(chan outcome, 1)
	// The Read gets memory that is not the caller's, which is used again as soon as the caller has been told of the end.
	go func(b []byte) {
		n, err := r.from.Read(b)
		done <- outcome{n, err}
	}(r.buffer[:len(p)])
	select {
	case o := <-done:
		if o.err != nil && !errors.Is(o.err, io.EOF) {
			o.err = usageError("--in: %w", o.err)
		}
		return copy(p, r.buffer[:o.n]), o.err
	case <-r.ctx.Done():
		return 0, r.ctx.Err()
	}
}
