package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scsi"
)

// What inquiry asks for: the length field of standard data allows 260 bytes; a page may be longer than any that is known.
const (
	inquiryBytes = 260
	pageBytes    = 4096
)

// inquiryOptions are the flags of inquiry.
type inquiryOptions struct {
	connectOptions
	page string
}

func (p *program) inquiryCommand() *cobra.Command {
	o := &inquiryOptions{}
	cmd := &cobra.Command{
		Use:   "inquiry URL",
		Short: "Ask a logical unit what it is (INQUIRY)",
		Long: `inquiry logs in to iscsi://[user[%password]@]host[:port][/target[/lun]] and prints the unit's standard INQUIRY data, or
with --vpd one page of its vital product data. Without a target in the URL the only one that discovery lists is
asked, without a LUN the unit 0.

Exit status: 0 the unit answered, 1 it refused or there is none, 3 it could not be reached.` + credentialsHelp,
		Example: `  iscsispec inquiry iscsi://192.0.2.10
  iscsispec inquiry iscsi://192.0.2.10/iqn.2003-01.com.example:disk/0 --vpd 83 --json`,
		Args: one("URL"),
		RunE: p.onURL(o.run),
	}
	o.addFlags(cmd)
	cmd.Flags().StringVar(&o.page, "vpd", "", "page of vital product data, in hexadecimal: 00 (the list of pages), 80, 83, b0, b1, b2 ...")
	return cmd
}

func (o *inquiryOptions) run(cmd *cobra.Command, u iscsi.URL) error {
	if err := o.check(); err != nil {
		return err
	}
	cdb, length := scsi.Inquiry(inquiryBytes), inquiryBytes
	page, err := parsePage(o.page)
	if err != nil {
		return err
	}
	if o.page != "" {
		cdb, length = scsi.InquiryVPD(page, pageBytes), pageBytes
	}
	if u, err = o.soleTarget(cmd.Context(), u); err != nil {
		return err
	}
	u.HasLUN = true
	return o.withSession(cmd, u, func(ctx context.Context, s *initiator.Session) error {
		data, err := s.Query(ctx, uint64(scsi.LUNOf(uint32(u.LUN))), cdb, length)
		var short *initiator.IncompleteError
		if errors.As(err, &short) {
			fmt.Fprintf(cmd.ErrOrStderr(), "iscsispec: warning: %v\n", err)
		} else if err != nil {
			return err
		}
		fields, err := describeInquiry(data)
		if o.page != "" {
			fields, err = describePage(data, page)
		}
		if err != nil {
			return err
		}
		if err := printInquiry(cmd.OutOrStdout(), u, fields, data, o.asJSON); err != nil {
			return err
		}
		if o.page == "" && scsi.Qualifier(data[0]>>5) == scsi.NotCapable {
			return &statusError{exitFindings, fmt.Errorf("%s: no unit at this LUN (%s)", plainURL(u), listsUnits(u))}
		}
		return nil
	})
}

// parsePage reads a page code: 83, 0x83 or 83h.
func parsePage(text string) (scsi.VPDPage, error) {
	if text == "" {
		return 0, nil
	}
	digits := strings.TrimSuffix(strings.TrimPrefix(strings.ToLower(text), "0x"), "h")
	n, err := strconv.ParseUint(digits, 16, 8)
	if err != nil {
		return 0, usageError("--vpd %q: want the code of a page in hexadecimal, 00 to ff", text)
	}
	return scsi.VPDPage(n), nil
}

// printInquiry prints the fields, and in JSON the bytes too.
func printInquiry(w io.Writer, u iscsi.URL, fields fieldList, data []byte, asJSON bool) error {
	if asJSON {
		return writeJSON(w, struct {
			URL    string    `json:"url"`
			Fields fieldList `json:"fields"`
			Data   string    `json:"data"`
		}{plainURL(u).String(), fields, hex.EncodeToString(data)})
	}
	return fields.print(w)
}

// describeInquiry names what standard INQUIRY data say.
func describeInquiry(data []byte) (fieldList, error) {
	d, err := scsi.ParseInquiry(data)
	if err != nil {
		return nil, err
	}
	connected := map[scsi.Qualifier]string{scsi.Connected: "connected", scsi.NotConnected: "not connected", scsi.NotCapable: "no unit at this LUN"}
	standards := []string{}
	for _, v := range d.VersionDescriptors {
		standards = append(standards, fmt.Sprintf("0x%04x", v))
	}
	return fieldList{
		{"type", deviceTypeName(byte(d.DeviceType))}, {"qualifier", fmt.Sprintf("%d (%s)", d.Qualifier, connected[d.Qualifier])},
		{"vendor", strings.TrimSpace(d.Vendor)}, {"product", strings.TrimSpace(d.Product)}, {"revision", strings.TrimSpace(d.Revision)},
		{"version", fmt.Sprintf("%d%s", d.Version, map[byte]string{4: " (SPC-2)", 5: " (SPC-3)", 6: " (SPC-4)"}[d.Version])},
		{"removable", d.Removable}, {"command_queuing", d.CommandQueuing}, {"multi_port", d.MultiPort},
		{"target_port_groups", d.TargetPortGroups}, {"third_party_copy", d.ThirdPartyCopy}, {"protection", d.Protect},
		{"standards", standards},
	}, nil
}
