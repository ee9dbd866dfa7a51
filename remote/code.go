package remote

// Code says why a host refused a step, or what is wrong with it. It is stable, for programs;
// messages are for users. testdata/codes.txt lists all of them, the constants are those that Go code names. A newer
// agent may send others.
type Code string

// The codes of locks and runs.
const (
	CodeLocked   Code = "locked"    // by another run
	CodeLockLost Code = "lock-lost" // the lock file was removed or replaced
	CodeTaken    Code = "taken"     // another run has worked on the stage since, or this one was ended by force
)

// The codes of a switch.
const (
	CodeDeadline    Code = "deadline"     // the prepared link had expired
	CodeLinkChanged Code = "link-changed" // since the run began
	CodeNotArmed    Code = "not-armed"
	CodeNotLinked   Code = "not-linked"
	CodeNotRecorded Code = "not-recorded" // the link is right, and the journal could not be written
)

// The codes of packages and steps.
const (
	CodeChangedPackage   Code = "changed-package" // since it was sealed
	CodeMounted          Code = "mounted"
	CodeNeeded           Code = "needed" // by a stage, a run or a process
	CodeNoPackage        Code = "no-package"
	CodeNoPip            Code = "no-pip"
	CodeOtherContent     Code = "other-content"
	CodeOtherInterpreter Code = "other-interpreter" // than the environment was made for
	CodeOtherRecipe      Code = "other-recipe"
	CodeSpecialFile      Code = "special-file" // neither a file, a directory nor a link
	CodeStepFailed       Code = "step-failed"
)

// The codes of what packages share, and of what follows a switch.
const (
	CodeNoSharedFile Code = "no-shared-file"
	CodeNoUnit       Code = "no-unit"
	CodeOtherPlace   Code = "other-place" // a unit does not run what the stage links
)

// The codes of hosts and repositories.
const (
	CodeForeignDirectory  Code = "foreign-directory" // a directory of kis that another user could change
	CodeNoRoot            Code = "no-root"
	CodeNoSpace           Code = "no-space"
	CodeNoUV              Code = "no-uv"
	CodeNoVenv            Code = "no-venv"
	CodeOldUV             Code = "old-uv"
	CodeReadOnlyRoot      Code = "read-only-root"
	CodeUnreadableJournal Code = "unreadable-journal"
	CodeUnusableHostID    Code = "unusable-host-id"
	CodeUnusableRoot      Code = "unusable-root"
	CodeWrongPython       Code = "wrong-python"
)
