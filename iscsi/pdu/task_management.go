package pdu

import "fmt"

// TaskFunction is what a Task Management Function Request asks for. RFC 7143, Section 11.5.1; values from 9 on are of RFC 7144, Section 6.
type TaskFunction byte

// The task management functions.
const (
	FunctionAbortTask              TaskFunction = 1
	FunctionAbortTaskSet           TaskFunction = 2
	FunctionClearACA               TaskFunction = 3
	FunctionClearTaskSet           TaskFunction = 4
	FunctionLogicalUnitReset       TaskFunction = 5
	FunctionTargetWarmReset        TaskFunction = 6
	FunctionTargetColdReset        TaskFunction = 7
	FunctionTaskReassign           TaskFunction = 8
	FunctionQueryTask              TaskFunction = 9
	FunctionQueryTaskSet           TaskFunction = 10
	FunctionITNexusReset           TaskFunction = 11
	FunctionQueryAsynchronousEvent TaskFunction = 12
)

var taskFunctionNames = [...]string{
	FunctionAbortTask: "ABORT TASK", FunctionAbortTaskSet: "ABORT TASK SET", FunctionClearACA: "CLEAR ACA",
	FunctionClearTaskSet: "CLEAR TASK SET", FunctionLogicalUnitReset: "LOGICAL UNIT RESET",
	FunctionTargetWarmReset: "TARGET WARM RESET", FunctionTargetColdReset: "TARGET COLD RESET", FunctionTaskReassign: "TASK REASSIGN",
	FunctionQueryTask: "QUERY TASK", FunctionQueryTaskSet: "QUERY TASK SET", FunctionITNexusReset: "I_T NEXUS RESET",
	FunctionQueryAsynchronousEvent: "QUERY ASYNCHRONOUS EVENT",
}

// String gives the function's name in capitals, as SAM-5 writes it.
func (f TaskFunction) String() string {
	if int(f) < len(taskFunctionNames) && taskFunctionNames[f] != "" {
		return taskFunctionNames[f]
	}
	return fmt.Sprintf("function %d", byte(f))
}

// TaskManagementRequest acts on other tasks. RFC 7143, Section 11.5.
type TaskManagementRequest struct {
	Immediate         bool
	Function          TaskFunction // 0 to 127
	LUN               uint64
	ITT               uint32
	ReferencedTaskTag uint32 // the ITT of the task meant, or ReservedTag
	CmdSN, ExpStatSN  uint32
	RefCmdSN          uint32
	ExpDataSN         uint32 // for TASK REASSIGN
}

// Opcode is OpTaskManagementRequest.
func (*TaskManagementRequest) Opcode() Opcode { return OpTaskManagementRequest }

// EncodeBHS implements PDU.
func (p *TaskManagementRequest) EncodeBHS(h *BHS) {
	h.begin(OpTaskManagementRequest, bitFinal|byte(p.Function)&0x7f, 0, 0)
	h.SetImmediate(p.Immediate)
	h.SetLUN(p.LUN)
	h.SetITT(p.ITT)
	h.setWord(20, p.ReferencedTaskTag)
	h.setWord(24, p.CmdSN)
	h.setWord(28, p.ExpStatSN)
	h.setWord(32, p.RefCmdSN)
	h.setWord(36, p.ExpDataSN)
}

// DecodeBHS implements PDU.
func (p *TaskManagementRequest) DecodeBHS(h *BHS) error {
	if err := h.want(OpTaskManagementRequest); err != nil {
		return err
	}
	p.Immediate, p.Function = h.Immediate(), TaskFunction(h[1]&0x7f)
	p.LUN, p.ITT, p.ReferencedTaskTag = h.LUN(), h.ITT(), h.word(20)
	p.CmdSN, p.ExpStatSN, p.RefCmdSN, p.ExpDataSN = h.word(24), h.word(28), h.word(32), h.word(36)
	return nil
}

// Segments implements PDU: there are none.
func (*TaskManagementRequest) Segments() (ahs, data []byte) { return nil, nil }

// SetSegments implements PDU: there are none.
func (*TaskManagementRequest) SetSegments(_, _ []byte) {}

// TaskResponse is the outcome of a task management function. RFC 7143, Section 11.6.1; value 7 is of RFC 7144, Section 6.
type TaskResponse byte

// The outcomes of task management functions.
const (
	TaskResponseComplete            TaskResponse = 0
	TaskResponseNoTask              TaskResponse = 1
	TaskResponseNoLUN               TaskResponse = 2
	TaskResponseStillAllegiant      TaskResponse = 3
	TaskResponseReassignUnsupported TaskResponse = 4
	TaskResponseUnsupported         TaskResponse = 5
	TaskResponseNotAuthorized       TaskResponse = 6
	TaskResponseSucceeded           TaskResponse = 7
	TaskResponseRejected            TaskResponse = 255
)

// String gives the outcome in a few words.
func (r TaskResponse) String() string {
	names := [...]string{
		"function complete", "task does not exist", "LUN does not exist", "task still allegiant", "reassignment not supported",
		"function not supported", "not authorized", "function succeeded",
	}
	switch {
	case int(r) < len(names):
		return names[r]
	case r == TaskResponseRejected:
		return "function rejected"
	}
	return fmt.Sprintf("response %d", byte(r))
}

// TaskManagementResponse answers a TaskManagementRequest. RFC 7143, Section 11.6.
type TaskManagementResponse struct {
	Response                   TaskResponse
	Additional                 [3]byte // additional response information; RFC 7144, Section 6.4.1
	ITT                        uint32
	StatSN, ExpCmdSN, MaxCmdSN uint32
}

// Opcode is OpTaskManagementResponse.
func (*TaskManagementResponse) Opcode() Opcode { return OpTaskManagementResponse }

// EncodeBHS implements PDU.
func (p *TaskManagementResponse) EncodeBHS(h *BHS) {
	h.begin(OpTaskManagementResponse, bitFinal, 0, 0)
	h[2] = byte(p.Response)
	copy(h[8:11], p.Additional[:])
	h.SetITT(p.ITT)
	h.setTargetNumbers(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
}

// DecodeBHS implements PDU.
func (p *TaskManagementResponse) DecodeBHS(h *BHS) error {
	if err := h.want(OpTaskManagementResponse); err != nil {
		return err
	}
	p.Response, p.ITT = TaskResponse(h[2]), h.ITT()
	copy(p.Additional[:], h[8:11])
	p.StatSN, p.ExpCmdSN, p.MaxCmdSN = h.targetNumbers()
	return nil
}

// Segments implements PDU: there are none.
func (*TaskManagementResponse) Segments() (ahs, data []byte) { return nil, nil }

// SetSegments implements PDU: there are none.
func (*TaskManagementResponse) SetSegments(_, _ []byte) {}
