package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
)

// advised ends an error with what its reader can do about it, where that is known. The error stays what it is for errors.Is
// and errors.As.
func (o *connectOptions) advised(u iscsi.URL, err error) error {
	if step := o.nextStep(u, err); step != "" {
		return fmt.Errorf("%w (%s)", err, step)
	}
	return err
}

// nextStep words the advice; empty where there is none.
func (o *connectOptions) nextStep(u iscsi.URL, err error) string {
	var refused *initiator.StatusError
	if errors.As(err, &refused) {
		if sense, bad := scsi.ParseSense(refused.Sense); bad == nil && sense.Code == scsi.LUNNotSupported {
			return listsUnits(u)
		}
		return ""
	}
	var login *initiator.LoginError
	if !errors.As(err, &login) {
		return ""
	}
	var key *text.KeyError
	switch {
	case errors.As(err, &key) && (key.Key == text.KeyHeaderDigest || key.Key == text.KeyDataDigest):
		return "crc32c,none as the digest leaves the target the choice"
	case login.Status == iscsi.StatusAuthenticationFailure && u.User == "":
		return "does the target want CHAP? ISCSISPEC_CHAP_USERNAME and ISCSISPEC_CHAP_PASSWORD give it"
	case login.Status == iscsi.StatusAuthenticationFailure:
		return "are the CHAP user and password the target's?"
	case login.Status == iscsi.StatusAuthorizationFailure:
		return fmt.Sprintf("may %s log in there? --initiator gives another name", o.initiator)
	case login.Status == iscsi.StatusNotFound:
		return fmt.Sprintf("iscsispec discover iscsi://%s lists the targets", u.Portal)
	case errors.Is(err, initiator.ErrAuthFailed) && u.TargetUser != "" && login.Stage == initiator.StageSecurity:
		return "are ISCSISPEC_CHAP_TARGET_USERNAME and ISCSISPEC_CHAP_TARGET_PASSWORD the target's own?"
	case login.Stage == initiator.StageDial:
		return fmt.Sprintf("does a target listen at %s?", login.Portal.HostPort())
	}
	return ""
}

// listsUnits is the advice where there is no such logical unit.
func listsUnits(u iscsi.URL) string {
	return fmt.Sprintf("iscsispec luns %s lists the units", iscsi.URL{Portal: u.Portal, Target: u.Target})
}

// checkURL refuses what no target could mend, so that it is told before anything is dialled.
func checkURL(u iscsi.URL) error {
	if u.Target != "" {
		if err := iscsi.ValidName(u.Target); err != nil {
			return usageError("%s: %w", plainURL(u), err)
		}
	}
	if u.TargetPassword != "" && u.TargetPassword == u.Password {
		return usageError("%s: the target's CHAP password is the initiator's own, want two (RFC 7143, Section 9.2.1)", plainURL(u))
	}
	return nil
}

// halfCredentials says which pair of user and password was given by half, and is not used therefore; empty for none. written
// is the URL as it was given, u the one with the environment's credentials.
func halfCredentials(written, u iscsi.URL) string {
	either := func(endings ...string) bool {
		for _, ending := range endings {
			if os.Getenv("ISCSISPEC_CHAP_"+ending) != "" || os.Getenv("LIBISCSI_CHAP_"+ending) != "" {
				return true
			}
		}
		return false
	}
	switch {
	case u.User == "" && (written.User != "" || written.Password != "" || either("USERNAME", "PASSWORD")):
		return "of the CHAP user and password one is missing, so neither is used"
	case u.TargetUser == "" && (written.TargetUser != "" || written.TargetPassword != "" || either("TARGET_USERNAME", "TARGET_PASSWORD")):
		return "of the CHAP user and password of the target one is missing, or the initiator's own are, so the target need not prove itself"
	}
	return ""
}
