.DEFAULT_GOAL := help
.PHONY: help demo test test-race test-portable test-recovery test-compat fuzz coverage bench setup lint vulnerabilities build dist

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(MAKEFILE_LIST)

demo: build ## a push, a refused push and a rollback on three temporary hosts
	@bin/kis demo

# The version of kis is that of its repository. A source archive has none, and another user's repository is closed to git.
VCS = $(shell test "$$(git rev-parse --show-toplevel 2>/dev/null)" = "$(CURDIR)" && echo true || echo false)

build: ## compile bin/kis
	go build -buildvcs=$(VCS) -o bin/kis ./cmd/kis

dist: ## what a release consists of, in dist/: archives, deb, rpm, SBOM, checksums
	@.ci/dist

# make lint vets. More packages are tested at a time than there are processors, because tests wait, and those that take
# longest begin first. Test programs are linked without what only debuggers read, in a third of the time. The simulator
# allocates much and keeps little: a lazier garbage collector saves it half of its time.
LONG = ./internal/deploy ./internal/test/e2e ./remote ./internal/commit ./scripts ./internal/pybuild ./sshx/userauth
SLOW = /internal/test/(recovery|compat|apps|backends)$$|/internal/testenv/debhost$$
OTHERS = $$(go list ./... | grep -vE '$(SLOW)' | grep -vxF "$$(go list $(LONG))")
TEST = GOGC=800 go test -vet=off -ldflags=-w -timeout 10m -p 3 -parallel 4

test: setup ## what to run many times a day: five minutes on two cores
	$(TEST) $(LONG) $(OTHERS)
	@echo 'not run: make test-race, make test-recovery (every fault in all variants), make test-compat (every kind of host)'

# What starts goroutines, but for remote, which the simulator drives. make test-recovery runs everything of make test with
# the race detector.
RACE = ./internal/deploy ./internal/commit ./internal/ui ./internal/fleet ./internal/guard ./internal/sshtest ./sshx ./transfer

test-race: setup ## the race detector where goroutines are started; the simulator at few schedules
	$(TEST) -race $(RACE)

# The packages whose tests start hosts, or read /proc, and so need Linux.
LINUX = /internal/(test|testenv)(/|$$)|/internal/(deploy|sshtest)$$|/cmd/|/remote$$|/scripts$$|/sshx$$|/sshx/

test-portable: ## what needs neither Linux nor root; also on macOS
	go test -timeout 10m $$(go list ./... | grep -vE '$(LINUX)')

# FAULT=C3 runs the tests of one fault of docs/testing.md. A fault without any is an error.
ONLY = $(if $(FAULT),-run '_$(FAULT)(_|$$)')
NAMED = $(if $(FAULT),@grep -qE '^func Test[A-Za-z0-9_]*_$(FAULT)([^0-9]|$$)' $(1) || { echo 'no test of $(FAULT) there: see docs/testing.md' >&2; exit 1; })

test-recovery: setup ## every fault in all variants; FAULT=C3 for one
	$(call NAMED,internal/test/recovery/*_test.go internal/test/e2e/*_test.go)
	go test -vet=off -timeout 90m -parallel 4 $(ONLY) ./internal/test/recovery $(if $(FAULT),./internal/test/e2e)
	$(if $(FAULT),,go test -tags recovery -vet=off -timeout 30m -parallel 4 ./internal/pybuild ./internal/requirements ./remote ./scripts)
	$(if $(FAULT),,go test -race -tags recovery -vet=off -timeout 30m -parallel 4 ./internal/deploy)
	$(if $(FAULT),,go test -race -vet=off -timeout 30m -parallel 4 $(filter-out ./internal/deploy,$(LONG)) $(OTHERS))
	$(if $(FAULT),,GOGC=800 go test -vet=off -timeout 60m ./internal/commit -args -sim.seed 0 -sim.schedules 100000)

test-compat: ## every kind of host, the pages of docs/ on Debian hosts; FAULT=H4 for one fault
	@.ci/setup compat
	$(call NAMED,internal/test/compat/*_test.go)
	go test -vet=off -timeout 60m -parallel 4 $(ONLY) ./internal/test/compat ./internal/testenv/debhost
	$(if $(FAULT),,go test -vet=off -timeout 60m ./internal/test/apps)
	$(if $(FAULT),,go test -tags compat -vet=off -timeout 10m ./internal/ansible)
	$(if $(FAULT),,go test -vet=off -timeout 60m -parallel 4 ./internal/test/backends)

fuzz: ## every parser of what others wrote, a minute each
	@.ci/fuzz

coverage: setup ## of the packages of kis by what make test runs, with the program itself in end-to-end tests
	rm -rf bin/coverage && mkdir -p bin/coverage
	KIS_TEST_COVERAGE=$(CURDIR)/bin/coverage $(TEST) -coverpkg=./... $(LONG) $(OTHERS) -args -test.gocoverdir=$(CURDIR)/bin/coverage
	go tool covdata percent -i=bin/coverage | grep -vE '/(internal/(test|testenv|sshtest)|sshx/internal/sshxtest)[ 	/]'

bench: ## measure, beside ssh and the rivals that are installed; BENCH="-rounds 1" for flags
	go test -run '^$$' -bench . ./internal/sdist ./internal/deploy ./sshx
	go test -tags bench -vet=off -v -timeout 8h ./internal/test/bench $(if $(BENCH),-args $(BENCH))

setup: ## install what tests and linters need (root or sudo)
	@.ci/setup

lint: setup ## every linter
	@.ci/lint

vulnerabilities: ## what is known of the modules and of Go, as far as kis calls it; needs vuln.go.dev
	"$$(.ci/tool govulncheck)" ./...
