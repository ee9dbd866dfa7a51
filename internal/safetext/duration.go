package safetext

import (
	"fmt"
	"strings"
	"time"
)

// Duration returns a duration in the one way in which kis shows all of them: 40 ms, 0.4 s, 12 s,
// 2 min 05 s, 1 h 02 min, 3 d 04 h.
func Duration(d time.Duration) string {
	switch tenths := d.Round(time.Second / 10); {
	case tenths == 0 && d >= time.Millisecond || d < 95*time.Millisecond && tenths > 0:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	case tenths < 10*time.Second:
		return strings.Replace(fmt.Sprintf("%.1f s", tenths.Seconds()), ".0", "", 1)
	}
	switch s := int64(d.Round(time.Second).Seconds()); {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%d min %02d s", s/60, s%60)
	case s < 48*3600:
		return fmt.Sprintf("%d h %02d min", s/3600, s%3600/60)
	default:
		return fmt.Sprintf("%d d %02d h", s/86400, s%86400/3600)
	}
}
