package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/keep-it-simple/kis/internal/name"
)

// Locked is the answer to Lock.
type Locked struct {
	Directory string   `json:"directory"` // the run's own directory on the host, mode 0700: for parts of uploads
	HostID    string   `json:"host_id"`
	Linked    string   `json:"linked"` // target of the stage's link, "" for none
	Fenced    []string `json:"fenced"` // dead runs whose prepared links were removed
	// Journal is the number of the newest line of the stage's journal. While the lock is held,
	// later lines are this run's own.
	Journal int `json:"journal"`
}

// Lock acquires the stage's lock for this run, or returns *Refused with CodeLocked. The host then
// cleans up after dead runs. It releases the lock when the session ends, for whatever reason. run
// must be unique.
func (a *Agent) Lock(ctx context.Context, s name.Stage, run name.Run, owner Holder) (Locked, error) {
	return a.lock(ctx, lockRequest{Stage: s, Run: run, Owner: lockOwner{owner.Who, owner.What}})
}

// LockAgain acquires the lock that this run held in another session. It returns *Refused with
// CodeTaken when another run has worked on the stage since, or a user has ended this run: then the
// link belongs to the other run, whatever its target is. before is the result of Lock, or of the
// last LockAgain.
func (a *Agent) LockAgain(ctx context.Context, s name.Stage, run name.Run, owner Holder, before Locked) (Locked, error) {
	return a.lock(ctx, lockRequest{Stage: s, Run: run, Owner: lockOwner{owner.Who, owner.What}, Since: &before.Journal})
}

func (a *Agent) lock(ctx context.Context, r lockRequest) (locked Locked, err error) {
	err = a.call(ctx, opLock, r, &locked, nil)
	return locked, err
}

// Unlock releases the lock before anything was done under it, so that other runs can proceed while
// this one waits.
func (a *Agent) Unlock(ctx context.Context) error {
	return a.call(ctx, opUnlock, nil, nil, nil)
}

// Break terminates the agent that holds the stage's lock, with SIGTERM, and after ten seconds with
// SIGKILL. The journal records that, and who did it, so that the run's controller cannot acquire
// the lock again. It returns the former holder, nil when the lock was free. With the name of a run
// only that one is terminated; for another the answer is *Refused with CodeLocked.
func (a *Agent) Break(ctx context.Context, s name.Stage, run, by string) (*Holder, error) {
	var result holderAnswer
	err := a.call(ctx, opBreak, breakRequest{s, run, by}, &result, nil)
	return result.Holder, err
}

// Have returns those digests (sha256, hexadecimal) whose files the host has, complete and
// undamaged.
func (a *Agent) Have(ctx context.Context, digests []string) (map[string]bool, error) {
	var result struct {
		Have []string `json:"have"`
	}
	err := a.call(ctx, opHave, haveRequest{texts(digests)}, &result, nil)
	have := map[string]bool{}
	for _, digest := range result.Have {
		have[digest] = true
	}
	return have, err
}

// Receive makes the host store a file that was put into the run's directory under the name part, if
// its size and sha256 are right. After
// *Refused the part is useless.
func (a *Agent) Receive(ctx context.Context, part, sha256 string, size int64) error {
	return a.call(ctx, opReceive, receiveRequest{part, sha256, size}, nil, nil)
}

// Mode is how the application gets into its companion environment.
type Mode string

// The modes.
const (
	Editable Mode = "editable" // runs from its package
	Regular  Mode = "regular"  // is copied into the environment
)

// Installer is what fills a companion environment with wheels.
type Installer string

// The installers.
const (
	Library Installer = "auto" // the library that is uploaded, see scripts.Installer
	UV      Installer = "uv"   // the host's own uv
)

// Wheel is a file of packages for pip, stored on hosts by its digest.
type Wheel struct {
	Name   string `json:"name"` // file name, as pip wants it
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size,omitempty"`  // bytes; 0 where it is not known
	Built  bool   `json:"built,omitempty"` // by pip on a host: no index has it
}

// Recipe is how the companion environment of a package is built.
type Recipe struct {
	Mode         Mode
	Installer    Installer // "" is Library
	Requirements string    // sha256 of an uploaded requirements file, "" for none
	Constraints  string    // likewise
	Hashed       bool      // every requirement carries hashes
	Wheels       []Wheel   // instead of an index
	Locals       []Wheel   // files that Requirements name as file://${KIS_LOCALS}/NAME
	Extras       []string  // of the application

	// Indexes; "" and none leave them to the host. They may carry passwords, so they are never printed.
	IndexURL       string
	ExtraIndexURLs []string
}

// WheelsRequest says of what wheels are made.
type WheelsRequest struct {
	Recipe
	Name        string // of the distribution
	Application *Wheel // uploaded; nil: made of the archive, too
	Archive     string // sha256 of the uploaded source distribution
	Within      time.Duration
}

// Made is the answer to Wheels.
type Made struct {
	Wheels      []Wheel `json:"wheels"`      // all but that of the application
	Application *Wheel  `json:"application"` // where it was made of the archive
}

// EnvironmentRequest says what an environment consists of.
type EnvironmentRequest struct {
	Wheels   []Wheel // all of them, stored on the host
	Library  string  // sha256 of the uploaded library that unpacks them, see scripts.Installer
	Editable bool    // none of the wheels is the application, and pip installs it from the package itself, unless there are
	// Additions: the sha256 of a stored file that has what pip added to the same package on another host of the platform.
	Additions string
	// Modified is the time of Freeze, where no command changes files before: then they have it from the start, and are
	// touched once less. Zero otherwise.
	Modified time.Time
	Recipe   // Installer; with Editable, all of it
	Within   time.Duration
}

// Source is the source distribution a package is made of.
type Source struct {
	Package name.Package
	Name    string // of the distribution, as its author writes it
	SHA256  string // of the archive
	Content string // content digest
	Recipe  string // digest of the recipe
	Read    bool   // Rehash follows: Begin does not examine the files of a sealed package itself
}

// Begin acquires the package's build lock and reports whether the package is installed. *Refused
// with CodeOtherContent or CodeOtherRecipe means that a package of this name was made from
// something else. A source without content requests any sealed package, and is *Refused when there
// is none.
func (a *Agent) Begin(ctx context.Context, s Source) (sealed *Receipt, err error) {
	result := packageAnswer{asked: s.Package}
	args := beginRequest{s.Package, nullable(s.Content), s.Recipe, s.Read}
	if err := a.call(ctx, opBegin, args, &result, nil); err != nil || !result.Sealed {
		return nil, err
	}
	return result.Receipt, nil
}

// Unpack unpacks the uploaded archive into the package's directory, and checks its content digest.
func (a *Agent) Unpack(ctx context.Context, s Source, within time.Duration, output func(string)) error {
	return a.call(ctx, opUnpack, unpackRequest{s.SHA256, s.Content, seconds(within)}, nil, output)
}

// Wheels makes the wheels of the requirements and of the application for the platform of this host, and
// stores them there. Begin and Unpack must have been called for the package. downloaded gets each wheel that pip has
// downloaded already, from one goroutine: Read gives it, but pip may choose another one in its place.
func (a *Agent) Wheels(ctx context.Context, r WheelsRequest, output func(string), downloaded func(Wheel)) (Made, error) {
	var made Made
	args := wheelsRequest{newPipRequest(r.Recipe, r.Within), r.Hashed, r.Name, r.Application, r.Archive, texts(r.Extras)}
	c := newCall(output)
	c.wheel = downloaded
	err := a.do(ctx, c, opWheels, args, &made)
	return made, err
}

// Fetch makes the host get wheels from the index, by their digests: all of them, or it is *Refused. Begin and Unpack must
// have been called for the package.
func (a *Agent) Fetch(ctx context.Context, wanted []Wheel, r Recipe, within time.Duration, output func(string)) error {
	args := fetchRequest{append([]Wheel{}, wanted...), newPipRequest(Recipe{IndexURL: r.IndexURL, ExtraIndexURLs: r.ExtraIndexURLs}, within)}
	return a.call(ctx, opFetch, args, nil, output)
}

// Read returns a piece of a file that is stored on the host, up to 256 KiB from the offset on; nothing behind
// its end. It may be called during another step. The caller compares the whole with the digest.
func (a *Agent) Read(ctx context.Context, sha256 string, offset int64) ([]byte, error) {
	var result struct {
		Data []byte `json:"data"`
	}
	err := a.call(ctx, opRead, readRequest{sha256, offset}, &result, nil)
	return result.Data, err
}

// Filled is the answer to Environment.
type Filled struct {
	Installed []string `json:"installed"` // as name==version, sorted
	Modules   int      `json:"modules"`   // that Compile has to compile
}

// Environment builds the companion environment. Compile completes it.
func (a *Agent) Environment(ctx context.Context, r EnvironmentRequest, output func(string)) (Filled, error) {
	var filled Filled
	modified := int64(0)
	if !r.Modified.IsZero() {
		modified = r.Modified.Unix()
	}
	args := environmentRequest{append([]Wheel{}, r.Wheels...), cmp.Or(r.Installer, Library), r.Library, r.Editable, r.Additions, modified, newPipRequest(r.Recipe, r.Within)}
	err := a.call(ctx, opEnvironment, args, &filled, output)
	return filled, err
}

// Compile gives each module of the package its bytecode: that of a stored file that Pack made on a host of the same
// platform for the same package, if given is its sha256, and a compiled one otherwise.
func (a *Agent) Compile(ctx context.Context, given string, within time.Duration) error {
	return a.call(ctx, opCompile, compileRequest{given, seconds(within)}, nil, nil)
}

// Packed is the answer to Pack: a file that Read reads until the session ends.
type Packed struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"` // bytes
}

// Pack packs the bytecode that Compile has made in one file, for Compile on other hosts.
func (a *Agent) Pack(ctx context.Context, within time.Duration) (packed Packed, err error) {
	err = a.call(ctx, opPack, packRequest{seconds(within)}, &packed, nil)
	return packed, err
}

// ErrVariable is wrapped by errors about an invalid name of a variable.
var ErrVariable = errors.New("not a variable of kis")

// variable matches the names of variables for the inventory's commands. Values are never part of
// shell text.
var variable = regexp.MustCompile(`^KIS_[A-Z0-9_]+$`)

// Commands are commands of the inventory, run in order in the package, with Env added to its
// environment variables.
type Commands struct {
	Package  name.Package
	Commands []string
	Env      map[string]string // KIS_… only
	Within   time.Duration     // for each command
	Daemons  bool              // what Command has started in the background may go on
}

func (c Commands) request() (commandsRequest, error) {
	for key := range c.Env {
		if !variable.MatchString(key) {
			return commandsRequest{}, fmt.Errorf("variable %q: %w", key, ErrVariable)
		}
	}
	commands, env := c.Commands, c.Env
	if commands == nil {
		commands = []string{}
	}
	if env == nil {
		env = map[string]string{}
	}
	return commandsRequest{c.Package, commands, env, seconds(c.Within)}, nil
}

// Content returns the lines that the content digest of an installed package was computed of, as
// sdist.Archive.Find returns them; none where that is unknown. The host is not trusted to send lines of
// that form.
func (a *Agent) Content(ctx context.Context, p name.Package) ([]string, error) {
	var result struct {
		Lines []string `json:"lines"`
	}
	err := a.call(ctx, opContent, contentRequest{p}, &result, nil)
	return result.Lines, err
}

// Verified is the answer to Verify.
type Verified struct {
	Imported []string `json:"imported"` // the topmost modules of the application
	Nothing  string   `json:"nothing"`  // why there are none, "" where there are
}

// Verify checks that the application imports and that its scripts load, and with complete that the environment has what
// its distributions require. Begin must have been called for the package.
func (a *Agent) Verify(ctx context.Context, p name.Package, dist string, complete bool, within time.Duration, output func(string)) (Verified, error) {
	var result Verified
	err := a.call(ctx, opVerify, verifyRequest{p, dist, complete, seconds(within)}, &result, output)
	return result, err
}

// Shared are directories and files below ROOT/shared that packages have in common: clean relative paths.
type Shared struct {
	Dirs  []string `json:"dirs"`
	Files []string `json:"files"`
}

// Share links what packages have in common into the package that is being built. *Refused with code no-shared-file names a
// file that is missing; directories are created.
func (a *Agent) Share(ctx context.Context, s Shared) error {
	return a.call(ctx, opShare, Shared{texts(s.Dirs), texts(s.Files)}, nil, nil)
}

// Run runs commands in the package that is being built or verified, in order, until one fails. What they leave running is
// ended. Begin must have been called for the package.
func (a *Agent) Run(ctx context.Context, c Commands, output func(string)) error {
	args, err := c.request()
	if err != nil {
		return err
	}
	return a.call(ctx, opRun, args, nil, output)
}

// Freeze gives the files of the package that is being built a modification time, and makes it read-only. Seal then refuses
// it if anything in it has changed since. Seal records the time.
func (a *Agent) Freeze(ctx context.Context, modified time.Time) error {
	return a.call(ctx, opFreeze, freezeRequest{modified.Unix()}, nil, nil)
}

// Provenance is the part of a receipt that records how the package was made.
type Provenance struct {
	By       string   `json:"by"`       // user@machine
	Git      string   `json:"git"`      // revision, "" for none
	Imports  []string `json:"imports"`  // modules that verification imported
	Verified []string `json:"verified"` // commands that verified it

	// Resolution is the digest of what the wheels were chosen by, Application the sha256 of the application's
	// wheel; "" where there is none.
	Resolution  string `json:"resolution"`
	Application string `json:"application"`
	Editable    bool   `json:"editable"` // the application's wheel names the path of its package

	Uploads []string `json:"uploads"` // digests of the files beside archive and wheels that it was made of
}

// Seal makes the directory a package: read-only, durable, and with a receipt.
func (a *Agent) Seal(ctx context.Context, s Source, p Provenance) (Receipt, error) {
	result := sealAnswer{asked: s.Package}
	args := sealRequest{sealFacts{s.Name, s.Content, s.Recipe, s.SHA256, p}}
	if err := a.call(ctx, opSeal, args, &result, nil); err != nil {
		return Receipt{}, err
	}
	return *result.Receipt, nil
}

// Command runs commands in a package, in order, until one fails. It needs the stage's lock, because
// they act on what the stage runs.
func (a *Agent) Command(ctx context.Context, s name.Stage, run name.Run, c Commands, output func(string)) error {
	args, err := c.request()
	if err != nil {
		return err
	}
	return a.call(ctx, opCommand, commandRequest{args, runRequest{s, run}, c.Daemons}, nil, output)
}

// Cancel kills the step in progress; its caller gets *Refused.
func (a *Agent) Cancel(ctx context.Context) error {
	return a.call(ctx, opCancel, nil, nil, nil)
}
