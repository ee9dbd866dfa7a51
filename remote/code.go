package remote

// Code says why a host refused a step, or what is wrong with it. It is stable, for programs;
// messages are for users. A newer agent may send others.
type Code string

// The codes of a session and of requests.
const (
	CodeBadRequest  Code = "bad-request" // no such command, or its arguments make no sense
	CodeBusy        Code = "busy"        // another step is in progress, or this run still needs its lock
	CodeIO          Code = "io"          // a system call failed
	CodeInterrupted Code = "interrupted" // a child of the agent was killed
	CodeNoResult    Code = "no-result"   // a child of the agent ended without a result
	CodeTooLong     Code = "too-long"    // the answer exceeds the limit of the wire
)

// The codes of locks and runs.
const (
	CodeLocked         Code = "locked"          // by another run
	CodeLockLost       Code = "lock-lost"       // the lock file was removed or replaced
	CodeNotLocked      Code = "not-locked"      // this run does not hold the stage's lock
	CodeStillLocked    Code = "still-locked"    // the holder does not end
	CodeHolderMismatch Code = "holder-mismatch" // another process holds the lock than the lock file names
	CodeTaken          Code = "taken"           // another run has worked on the stage since, or this one was ended by force
	CodeOtherRun       Code = "other-run"       // the session has no switch of that run
)

// The codes of a switch.
const (
	CodeAlreadyLinked Code = "already-linked"
	CodeCannotArm     Code = "cannot-arm"
	CodeCannotRename  Code = "cannot-rename"
	CodeDeadline      Code = "deadline"     // the prepared link had expired
	CodeLinkChanged   Code = "link-changed" // since the run began
	CodeNewerFormat   Code = "newer-format" // of the journal
	CodeNotArmed      Code = "not-armed"
	CodeNotLinked     Code = "not-linked"
	CodeNotReverted   Code = "not-reverted"
	CodeSwitchOpen    Code = "switch-open"  // neither confirmed nor rolled back
	CodeNotRecorded   Code = "not-recorded" // the link is right, and the journal could not be written
)

// The codes of packages and steps.
const (
	CodeBadArchive        Code = "bad-archive"
	CodeBadWheel          Code = "bad-wheel"
	CodeChangedPackage    Code = "changed-package" // since it was sealed
	CodeCommandFailed     Code = "command-failed"
	CodeContentMismatch   Code = "content-mismatch"
	CodeForeignPackage    Code = "foreign-package" // kis did not make what has its name
	CodeIndexPassword     Code = "index-password"
	CodeLinkedUnsealed    Code = "linked-unsealed"
	CodeMounted           Code = "mounted"
	CodeNeeded            Code = "needed" // by a stage, a run or a process
	CodeNoPackage         Code = "no-package"
	CodeNoPip             Code = "no-pip"
	CodeOtherContent      Code = "other-content"
	CodeOtherInterpreter  Code = "other-interpreter" // than the environment was made for
	CodeOtherRecipe       Code = "other-recipe"
	CodeSealed            Code = "sealed"
	CodeSpecialFile       Code = "special-file" // neither a file, a directory nor a link
	CodeStepFailed        Code = "step-failed"
	CodeUnreadablePackage Code = "unreadable-package"
	CodeUnreadableReceipt Code = "unreadable-receipt"
	CodeUnsealed          Code = "unsealed"
)

// The codes of what packages share, and of what follows a switch.
const (
	CodeNoSharedDirectory Code = "no-shared-directory" // something else is at its place
	CodeNoSharedFile      Code = "no-shared-file"
	CodeNotActive         Code = "not-active" // a unit, or it is restarted again and again
	CodeNoJournal         Code = "no-journal" // the user may not read the logs of units
	CodeNoSudo            Code = "no-sudo"    // the user may not restart a unit
	CodeNoSystemd         Code = "no-systemd"
	CodeNoUnit            Code = "no-unit"
	CodeOtherPlace        Code = "other-place" // a unit does not run what the stage links
	CodeOldProcess        Code = "old-process" // a unit still runs processes of the previous package
	CodeSharedContent     Code = "shared-content"
	CodeUnhealthy         Code = "unhealthy"
	CodeWritesInside      Code = "writes-inside" // the application changes its package
)

// The codes of uploads.
const (
	CodeDigestMismatch Code = "digest-mismatch"
	CodeNoUpload       Code = "no-upload"
	CodeShortUpload    Code = "short-upload"
)

// The codes of hosts and repositories.
const (
	CodeForeignDirectory  Code = "foreign-directory" // a directory of kis that another user could change
	CodeForeignRoot       Code = "foreign-root"
	CodeNoRoot            Code = "no-root"
	CodeNoSpace           Code = "no-space"
	CodeNoModule          Code = "no-module" // of Python's library
	CodeNoTool            Code = "no-tool"
	CodeNoUV              Code = "no-uv"
	CodeNoVenv            Code = "no-venv"
	CodeNoexecRoot        Code = "noexec-root"
	CodeOldUV             Code = "old-uv"
	CodeOpenRoot          Code = "open-root"
	CodeReadOnlyRoot      Code = "read-only-root"
	CodeStageNotLink      Code = "stage-not-link"
	CodeStageNotManaged   Code = "stage-not-managed"
	CodeUnreadableJournal Code = "unreadable-journal"
	CodeUnreadableRoot    Code = "unreadable-root"
	CodeUnreadableStage   Code = "unreadable-stage"
	CodeUnusableHostID    Code = "unusable-host-id"
	CodeUnusableRoot      Code = "unusable-root"
	CodeWrongPython       Code = "wrong-python"
)
