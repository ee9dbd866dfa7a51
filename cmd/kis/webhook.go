package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/keep-it-simple/kis/internal/deploy"
	"github.com/keep-it-simple/kis/internal/event"
	"github.com/keep-it-simple/kis/internal/guard"
	"github.com/keep-it-simple/kis/internal/notify"
	"github.com/keep-it-simple/kis/internal/ui"
)

// announcer tells the webhook of a stage about a run. What fails is a warning, because a run must not depend on it.
type announcer struct {
	ctx     context.Context //nolint:containedctx // of the run, whose events come without one
	app     *app
	plan    deploy.Plan
	address string
	first   notify.Message
	started chan struct{} // closed when the first message was sent, or has failed
}

// announcer returns nil where nobody is to be told.
func (a *app) announcer(ctx context.Context, plan deploy.Plan) *announcer {
	if plan.Stage.Webhook.URL == "" || plan.DryRun || plan.Op == event.Check {
		return nil
	}
	address, err := plan.Stage.Webhook.Address(os.Getenv)
	if err != nil {
		a.ui.Message("warning: the webhook is not told: " + err.Error())
		return nil
	}
	return &announcer{ctx: context.WithoutCancel(ctx), app: a, plan: plan, address: address}
}

// follow tells that the run begins, beside it.
func (n *announcer) follow(e event.Event) {
	if n == nil || e.Type != event.TypeStart || n.started != nil {
		return
	}
	n.first = notify.Message{
		Event: "start", Schema: event.Schema, Time: e.Time.Format(time.RFC3339), By: who(), Op: string(e.Op), Stage: e.Stage, Package: e.Package, Git: n.plan.Git, Run: e.Run, Hosts: e.Hosts,
		Text: fmt.Sprintf("%s: %s on %s begins", who(), strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Op, e.Stage, e.Package)), ui.NamesOf(e.Hosts)),
	}
	n.started = make(chan struct{})
	guard.Go(func() {
		defer close(n.started)
		n.send(n.first)
	}, n.app.bugs.Bug)
}

// end tells how the run ended.
func (n *announcer) end(r event.Report) {
	if n == nil || n.started == nil {
		return
	}
	defer n.app.ui.Waiting("telling the webhook")()
	<-n.started // the messages arrive in their order
	last := n.first
	last.Event, last.Time, last.Package, last.Outcome, last.Exit, last.Seconds = "end", time.Now().Format(time.RFC3339), r.Package, string(r.Outcome), &r.Exit, r.Seconds
	last.Text = fmt.Sprintf("%s: %s", n.first.By, strings.TrimSuffix(ui.Summary(r), ":")) // without the table that follows it on a screen
	n.send(last)
}

func (n *announcer) send(m notify.Message) {
	if err := notify.Send(n.ctx, n.address, n.plan.Stage.Webhook.Format, m); err != nil {
		n.app.ui.Message("warning: the webhook was not told: " + err.Error())
	}
}
