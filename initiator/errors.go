package initiator

import "errors"

// Outcomes of requests and operations, told apart with errors.Is. The Manager and the Session share them.
var (
	// ErrTransportLost says that the connection was lost before the target's answer came.
	ErrTransportLost = errors.New("transport lost")
	// ErrLoggedOut says that the session was logged out by its user before the target's answer came.
	ErrLoggedOut = errors.New("logged out")
	// ErrDeviceRemoved says that the device left the stack while the request waited.
	ErrDeviceRemoved = errors.New("device removed")
	// ErrQueueFull says that the bounded queue of a session that is down would not take another request.
	ErrQueueFull = errors.New("queue full")
	// ErrAuthFailed says that authentication failed, on either side.
	ErrAuthFailed = errors.New("authentication failed")
	// ErrNotSupported says that this session or initiator cannot do what was asked.
	ErrNotSupported = errors.New("not supported")
	// ErrTimeout says that no answer came within the time allowed.
	ErrTimeout = errors.New("timed out")
	// ErrAborted says that task management ended the request.
	ErrAborted = errors.New("aborted by task management")
)
