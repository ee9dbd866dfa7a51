package remote

import (
	"encoding/json"
	"time"

	"github.com/keep-it-simple/kis/internal/name"
)

// operation names a command of the agent: the method do_<operation> in scripts/kisagent/main.py.
type operation string

// The commands.
const (
	opAbort       operation = "abort"
	opBegin       operation = "begin"
	opBreak       operation = "break"
	opBye         operation = "bye"
	opCancel      operation = "cancel"
	opCheck       operation = "check"
	opContent     operation = "content"
	opCommand     operation = "command"
	opCommit      operation = "commit"
	opCompile     operation = "compile"
	opConfirm     operation = "confirm"
	opArm         operation = "arm"
	opEnvironment operation = "environment"
	opEvict       operation = "evict"
	opFence       operation = "fence"
	opFetch       operation = "fetch"
	opHave        operation = "have"
	opLock        operation = "lock"
	opOpen        operation = "open"
	opPack        operation = "pack"
	opPing        operation = "ping"
	opPut         operation = "put"
	opRead        operation = "read"
	opReceive     operation = "receive"
	opRehash      operation = "rehash"
	opRemove      operation = "remove"
	opRestarted   operation = "restarted"
	opResume      operation = "resume"
	opRevert      operation = "revert"
	opSeal        operation = "seal"
	opState       operation = "state"
	opUnlock      operation = "unlock"
	opUnpack      operation = "unpack"
	opVerify      operation = "verify"
	opWheels      operation = "wheels"
	opShare       operation = "share"
	opRun         operation = "run"
	opFreeze      operation = "freeze"
	opHealth      operation = "health"
	opExec        operation = "exec"
	opLogs        operation = "logs"
	opTerminal    operation = "terminal"
	opUnits       operation = "units"
	opServices    operation = "services"
)

// encode returns a command as one line: its number, its name, and the members of its arguments, a
// struct or nil.
func encode(id int, op operation, args any) ([]byte, error) {
	head := struct {
		ID int       `json:"id"`
		Op operation `json:"op"`
	}{id, op}
	line, err := json.Marshal(head)
	if err != nil || args == nil {
		return append(line, '\n'), err
	}
	more, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	return append(withMembers(line, more), '\n'), nil
}

// withMembers adds to an object in JSON, which is not empty, the members of another one.
func withMembers(object, more []byte) []byte {
	if string(more) == "{}" {
		return object
	}
	return append(append(object[:len(object)-1], ','), more[1:]...)
}

type openRequest struct {
	Root string `json:"root"`
}

type contentRequest struct {
	Package name.Package `json:"package"`
}

type rehashRequest struct {
	Package name.Package `json:"package"`
	Timeout seconds      `json:"timeout"`
}

type removeRequest struct {
	Package name.Package `json:"package"`
	Run     name.Run     `json:"run"`
	Owner   lockOwner    `json:"owner"`
}

type lockRequest struct {
	Stage name.Stage `json:"stage"`
	Run   name.Run   `json:"run"`
	Owner lockOwner  `json:"owner"`
	Since *int       `json:"since,omitempty"`
}

type lockOwner struct {
	Who  string `json:"who"`
	What string `json:"what"`
}

type breakRequest struct {
	Stage name.Stage `json:"stage"`
	Run   string     `json:"run"` // as the lock file says it: not necessarily a run's name
	By    string     `json:"by"`
}

type haveRequest struct {
	Digests []string `json:"digests"`
}

type putRequest struct {
	Part string `json:"part"`
	Size int64  `json:"size"`
}

type receiveRequest struct {
	Part   string `json:"part"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

type beginRequest struct {
	Package name.Package `json:"package"`
	Content *string      `json:"content"` // null: whatever sealed package there is
	Recipe  string       `json:"recipe"`
	Read    bool         `json:"read"`
}

type unpackRequest struct {
	SHA256  string  `json:"sha256"`
	Content string  `json:"content"`
	Timeout seconds `json:"timeout"`
}

// pipRequest is a part of those that run pip.
type pipRequest struct {
	Requirements   *string  `json:"requirements"` // null: none
	Constraints    *string  `json:"constraints"`  // likewise
	Wheels         []Wheel  `json:"given"`        // instead of an index
	Locals         []Wheel  `json:"locals"`
	IndexURL       string   `json:"index_url"`
	ExtraIndexURLs []string `json:"extra_index_urls"`
	Timeout        seconds  `json:"timeout"`
}

func newPipRequest(r Recipe, within time.Duration) pipRequest {
	return pipRequest{nullable(r.Requirements), nullable(r.Constraints), append([]Wheel{}, r.Wheels...), append([]Wheel{}, r.Locals...), r.IndexURL, texts(r.ExtraIndexURLs), seconds(within)}
}

type wheelsRequest struct {
	pipRequest
	Hashed      bool     `json:"hashed"`
	Name        string   `json:"name"`        // of the distribution
	Application *Wheel   `json:"application"` // null: made of the archive
	Archive     string   `json:"archive"`
	Extras      []string `json:"extras"`
}

type fetchRequest struct {
	Wanted []Wheel `json:"wheels"`
	pipRequest
}

type readRequest struct {
	SHA256 string `json:"sha256"`
	Offset int64  `json:"offset"`
}

type environmentRequest struct {
	Installed []Wheel   `json:"wheels"`
	Installer Installer `json:"installer"`
	Library   string    `json:"library"`
	Editable  bool      `json:"editable"`
	Additions string    `json:"additions"` // sha256, "" for none
	Modified  int64     `json:"modified"`  // Unix seconds, 0 for none
	pipRequest
}

type compileRequest struct {
	Given   string  `json:"given"` // sha256 of packed bytecode, "" for none
	Timeout seconds `json:"timeout"`
}

type packRequest struct {
	Timeout seconds `json:"timeout"`
}

// texts is never null.
func texts(all []string) []string { return append([]string{}, all...) }

// commandsRequest is a part of those that run commands of the inventory.
type commandsRequest struct {
	Package  name.Package      `json:"package"`
	Commands []string          `json:"commands"`
	Env      map[string]string `json:"env"`
	Timeout  seconds           `json:"timeout"`
}

type verifyRequest struct {
	Package  name.Package `json:"package"`
	Name     string       `json:"name"`     // of the distribution
	Complete bool         `json:"complete"` // check what the distributions require
	Timeout  seconds      `json:"timeout"`
}

type commandRequest struct {
	commandsRequest
	runRequest
	Daemons bool `json:"daemons"`
}

type freezeRequest struct {
	Modified int64 `json:"modified"` // seconds since 1970
}

type programRequest struct {
	Program
	Timeout seconds `json:"timeout"`
}

type terminalRequest struct {
	programRequest
	Run   name.Run  `json:"run"`
	Owner lockOwner `json:"owner"`
}

type logsRequest struct {
	Logs
	Timeout seconds `json:"timeout"`
}

type sealRequest struct {
	Facts sealFacts `json:"facts"`
}

type sealFacts struct {
	Name    string `json:"name"`
	Content string `json:"content"`
	Recipe  string `json:"recipe"`
	Archive string `json:"archive"`
	Provenance
}

// runRequest is about a stage and a run.
type runRequest struct {
	Stage name.Stage `json:"stage"`
	Run   name.Run   `json:"run"`
}

// linkRequest is about a switch.
type linkRequest struct {
	runRequest
	Operation string       `json:"operation"`
	Expected  *string      `json:"expected"` // null: no link
	To        name.Package `json:"to"`
	Dangling  bool         `json:"dangling"`
	Note      Note         `json:"note"`
}

type armRequest struct {
	linkRequest
	Seconds seconds `json:"seconds"`
}

// switchRequest is about the switch of the session, which must be the run's.
type switchRequest struct {
	Run name.Run `json:"run"`
}

type confirmRequest struct {
	switchRequest
	Note Note `json:"note"`
}

type restartedRequest struct {
	runRequest
	Succeeded bool `json:"succeeded"`
}

// seconds is a duration as the agent reads it.
type seconds time.Duration

// MarshalJSON writes a number of seconds.
func (s seconds) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Seconds()) }

// nullable is a text, and null instead of "".
func nullable(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

type healthRequest struct {
	runRequest
	Check healthCheck `json:"check"`
}

// healthCheck is a HealthCheck as the agent reads it.
type healthCheck struct {
	HealthCheck
	Within seconds `json:"within"`
}

type servicesRequest struct {
	runRequest
	Units   []Service `json:"units"`
	Timeout seconds   `json:"timeout"`
}
