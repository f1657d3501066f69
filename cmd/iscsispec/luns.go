package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scsi"
)

func (p *program) lunsCommand() *cobra.Command {
	o := &connectOptions{}
	cmd := &cobra.Command{
		Use:   "luns URL",
		Short: "List the logical units of a target",
		Long: `luns logs in to iscsi://[user[%password]@]host[:port][/target], asks for the list of its logical units (REPORT LUNS)
and each unit for what it is (INQUIRY) and how large (READ CAPACITY). Without a target in the URL the units of all targets
that discovery lists are shown.

Exit status: 0 all listed, 3 a target could not be reached.` + credentialsHelp,
		Example: `  iscsispec luns iscsi://192.0.2.10
  iscsispec luns iscsi://192.0.2.10/iqn.2003-01.com.example:disk --as linux-iscsid --json`,
		Args: one("URL"),
		RunE: p.onURL(o.luns),
	}
	o.addFlags(cmd)
	return cmd
}

// unitLine is one logical unit as luns prints it.
type unitLine struct {
	URL       string `json:"url"`
	Target    string `json:"target"`
	LUN       string `json:"lun"`
	Type      string `json:"type"`
	Bytes     uint64 `json:"bytes"`
	BlockSize uint32 `json:"block_size"`
	Vendor    string `json:"vendor"`
	Product   string `json:"product"`
	Revision  string `json:"revision"`
	Identity  string `json:"identity"`
}

// luns asks one target after the other. One that fails does not keep the others from being listed.
func (o *connectOptions) luns(cmd *cobra.Command, u iscsi.URL) error {
	if err := o.check(); err != nil {
		return err
	}
	targets, err := o.targets(cmd.Context(), u)
	if err != nil {
		return o.discoverFailed(cmd.Context(), u, err)
	}
	lines, failure := []unitLine{}, error(nil)
	for _, target := range targets {
		err := o.withSession(cmd, target, func(ctx context.Context, s *initiator.Session) error {
			units, err := s.Units(ctx)
			for _, unit := range units {
				lines = append(lines, lineOf(target, unit))
			}
			return err
		})
		switch {
		case cmd.Context().Err() != nil:
			return leave(exitInterrupted)
		case err != nil && len(targets) > 1:
			fmt.Fprintf(cmd.ErrOrStderr(), "iscsispec: %v\n", err)
			failure = leave(exitUnreachable)
		case err != nil:
			return err
		}
	}
	if err := printUnits(cmd.OutOrStdout(), lines, o.asJSON); err != nil {
		return err
	}
	return failure
}

func lineOf(target iscsi.URL, unit initiator.UnitInfo) unitLine {
	line := unitLine{
		Target: target.Target, LUN: scsi.LUN(unit.LUN).String(), Type: deviceTypeName(unit.Type), Bytes: unit.Blocks * uint64(unit.BlockSize),
		BlockSize: unit.BlockSize, Vendor: unit.Identity.Vendor, Product: unit.Identity.Product, Revision: unit.Revision, Identity: unit.Identity.Name(),
	}
	if n, ok := scsi.LUN(unit.LUN).Number(); ok && n <= scsi.MaxFlatLUN {
		place := plainURL(target)
		place.LUN, place.HasLUN = uint16(n), true
		line.URL = place.String()
	}
	return line
}

func printUnits(w io.Writer, lines []unitLine, asJSON bool) error {
	if asJSON {
		return writeJSON(w, lines)
	}
	if len(lines) == 0 {
		_, err := fmt.Fprintln(w, "no logical units")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "LUN\tTYPE\tSIZE\tBLOCK\tVENDOR\tPRODUCT\tIDENTITY\tURL")
	for _, l := range lines {
		size, block := "-", "-"
		if l.BlockSize > 0 {
			size, block = bytesText(l.Bytes), fmt.Sprint(l.BlockSize)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.LUN, l.Type, size, block, l.Vendor, l.Product, l.Identity, l.URL)
	}
	return table.Flush()
}

// deviceTypeName names a peripheral device type (SPC-4, Section 6.6.2).
func deviceTypeName(t byte) string {
	names := map[byte]string{
		byte(scsi.TypeDisk): "disk", byte(scsi.TypeSequential): "tape", 0x05: "cd/dvd", 0x08: "changer", 0x0c: "controller", 0x0d: "enclosure",
		byte(scsi.TypeWellKnown): "well known", byte(scsi.TypeNone): "none",
	}
	if name, ok := names[t]; ok {
		return name
	}
	return fmt.Sprintf("type 0x%02x", t)
}
