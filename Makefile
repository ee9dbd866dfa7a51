.DEFAULT_GOAL := help
.PHONY: help demo test faults bug bench setup lint build

help: ## show this
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' $(MAKEFILE_LIST)

demo: build ## a push, a refused push and a roll-back on three throw-away hosts
	@bin/kis demo

build: ## compile bin/kis
	go build -trimpath -o bin/kis ./cmd/kis

# The first four drive kis from outside, and would only be slower with the race detector. internal/e2e builds kis with it; the others run kis
# hundreds of times. make lint vets.
test: setup ## every test, with the race detector but for faults, sweeps and odd hosts
	go test -vet=off -timeout 14m -parallel 4 ./internal/crash ./internal/e2e ./internal/faults ./internal/odd
	go test -race -vet=off -timeout 14m -parallel 4 $$(go list ./... | grep -vE '/internal/(commit|crash|e2e|faults|odd)$$')
	go test -vet=off ./internal/commit -args -sim.schedules 10000

faults: setup ## the whole matrix of faults, docs/faults.md: a line for each row
	go run ./internal/faults/matrix

bug: ## show a bug of docs/faults.md again, and its mend: make bug MEND=… TEST=…
	@.ci/bug $(MEND) $(TEST) $(TESTS)

bench: ## measure, each beside what it is to be held against
	go test -run '^$$' -bench . ./internal/sdist ./internal/deploy ./sshx

setup: ## install what tests and linters need (root or sudo)
	@.ci/setup

lint: setup ## every linter
	@.ci/lint
