package scsi

// SupportedTMFs says which task management functions a device knows, as REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS tells it (SPC-4,
// Section 6.36).
type SupportedTMFs struct {
	AbortTask, AbortTaskSet, ClearACA, ClearTaskSet, LogicalUnitReset, QueryTask, TargetReset, Wakeup bool
	QueryAsynchronousEvent, QueryTaskSet, NexusReset                                                  bool
}

// ReportSupportedTMFs builds a REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS CDB for the basic format, 4 bytes (SPC-4, Section 6.36).
func ReportSupportedTMFs(allocation uint32) []byte {
	cdb := ReportSupportedOpcodes(allocation)
	cdb[1] = ServiceActionReportSupportedTMFs
	return cdb
}

// Append appends the parameter data: 4 bytes, or with extended 16, in which no timeouts are given.
func (f SupportedTMFs) Append(b []byte, extended bool) []byte {
	b = append(b, bit(f.AbortTask, 7)|bit(f.AbortTaskSet, 6)|bit(f.ClearACA, 5)|bit(f.ClearTaskSet, 4)|bit(f.LogicalUnitReset, 3)|
		bit(f.QueryTask, 2)|bit(f.TargetReset, 1)|bit(f.Wakeup, 0), bit(f.QueryAsynchronousEvent, 2)|bit(f.QueryTaskSet, 1)|bit(f.NexusReset, 0), 0, 0)
	if extended {
		b[len(b)-1] = 12
		b = append(b, make([]byte, 12)...)
	}
	return b
}
