package ui

import "github.com/keep-it-simple/kis/internal/event"

// Past shows a run that has ended, from its events, as it was shown when it was carried out: by user@machine. It
// proposes nothing but a look at what is true now.
func (u *UI) Past(events []event.Event, by string) {
	var report *event.Report
	v := u.View()
	text, _ := v.(*textView)
	if text != nil {
		text.past = true
		if len(events) > 0 {
			text.out.Printf("%s by %s\n", events[0].Time.Local().Format(timeFormat), by)
		}
	}
	for _, e := range events {
		v.Event(e)
		if e.Report != nil {
			report = e.Report
			v.Report(*e.Report, "")
		}
	}
	if text == nil {
		return
	}
	if report == nil {
		u.Err.Lines("kis: the log ends here, because kis was ended before the run was")
	}
	if len(events) > 0 {
		u.Err.Printf("  now:  kis status %s\n", events[0].Stage)
	}
}
