.DEFAULT_GOAL := help
.PHONY: help demo test test-recovery test-compat fuzz bench setup lint build

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(MAKEFILE_LIST)

demo: build ## a push, a refused push and a roll-back on three throw-away hosts
	@bin/kis demo

build: ## compile bin/kis
	go build -trimpath -o bin/kis ./cmd/kis

# The tests below internal/test drive kis from outside, and would only be slower with the race detector; internal/test/e2e builds kis with it.
# make lint vets.
test: setup ## what every change has to pass
	go test -vet=off -timeout 14m -parallel 4 ./internal/test/...
	go test -race -vet=off -timeout 14m -parallel 4 $$(go list ./... | grep -vE '/internal/(commit$$|test/)')
	go test -vet=off ./internal/commit -args -sim.schedules 10000

# FAULT=C3 runs the tests of one fault of docs/testing.md.
ONLY = $(if $(FAULT),-run '_$(FAULT)(_|$$)')

test-recovery: setup ## every fault in all variants; FAULT=C3 for one
	go test -vet=off -timeout 60m -parallel 4 $(ONLY) ./internal/test/recovery ./internal/deploy ./remote -args -everything

test-compat: setup ## every kind of host, each with a whole life
	go test -vet=off -timeout 60m -parallel 4 $(ONLY) ./internal/test/compat -args -everything

fuzz: ## every parser of what others wrote, a minute each
	@.ci/fuzz

bench: ## measure, each beside what it is to be held against
	go test -run '^$$' -bench . ./internal/sdist ./internal/deploy ./sshx

setup: ## install what tests and linters need (root or sudo)
	@.ci/setup

lint: setup ## every linter
	@.ci/lint
