package hosttest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// cable is what joins a host that has a network of its own to this machine: a pair of virtual
// interfaces, and four addresses for the two ends. The addresses are of 198.18.0.0/16, which RFC
// 2544 sets apart for tests of networks. They are routed to nowhere while no cable is plugged in,
// so that nothing a test sends can leave the machine. That route is also the claim on the addresses
// and on the interface: the kernel refuses a second one. Interface and route are all that hosts add
// to this machine.
type cable struct {
	device string // on this machine
	subnet string
	ours   string
	theirs string
}

const (
	subnets = 1 << 14 // of four addresses, in 198.18.0.0/16
	inside  = "eth0"  // what the interface is called on the host
)

func numbered(n int) cable {
	first := n * 4
	address := func(i int) string {
		return fmt.Sprintf("198.%d.%d.%d", 18+(first+i)>>16, (first+i)>>8&255, (first+i)&255)
	}
	return cable{device: "kis" + strconv.Itoa(n), subnet: address(0) + "/30", ours: address(1), theirs: address(2)}
}

// plugIn lays a cable to the network namespace of a process. The same cable is used again after a restart.
func (h *Host) plugIn(tb testing.TB, pid int) {
	tb.Helper()
	if h.cable == nil {
		h.cable = newCable(tb)
	}
	c := h.cable
	Run(tb, "ip", "link", "add", c.device, "type", "veth", "peer", "name", c.device+"p")
	Run(tb, "ip", "link", "set", c.device+"p", "netns", strconv.Itoa(pid), "name", inside)
	Run(tb, "ip", "address", "add", c.ours+"/30", "dev", c.device)
	Run(tb, "ip", "link", "set", c.device, "up")
	enter := func(args ...string) {
		Run(tb, "nsenter", append([]string{"--target", strconv.Itoa(pid), "--net", "--"}, args...)...)
	}
	enter("ip", "link", "set", "lo", "up")
	enter("ip", "address", "add", c.theirs+"/30", "dev", inside)
	enter("ip", "link", "set", inside, "up")
}

// newCable claims addresses that no other test uses, of any process.
func newCable(tb testing.TB) *cable {
	tb.Helper()
	var out []byte
	for range 20 {
		c := numbered(rand.IntN(subnets)) //nolint:gosec // any free one will do
		var err error
		if out, err = exec.CommandContext(tb.Context(), "ip", "route", "add", "unreachable", c.subnet, "metric", metric).CombinedOutput(); err == nil {
			c.removeWithTest(tb)
			return &c
		}
	}
	require.FailNow(tb, "hosts with a network of their own need routes", "ip route add: %s", out)
	return nil
}

// metric makes the route to nowhere the last choice.
const metric = "4242"

// remove waits for the end of its input, which comes with the test or with the process, even when
// that is killed.
const remove = `read -r _ || :
ip link delete "$1" 2>/dev/null || :
exec ip route delete unreachable "$2" metric "$3"
`

// removeWithTest removes the cable when the test ends, or when its process does.
func (c *cable) removeWithTest(tb testing.TB) {
	tb.Helper()
	cmd := exec.Command("/bin/sh", "-c", remove, "remove", c.device, c.subnet, metric) //nolint:noctx // it outlives the test's context
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}                              // so that Ctrl-C does not end it
	stdin, err := cmd.StdinPipe()
	require.NoError(tb, err)
	require.NoError(tb, cmd.Start())
	tb.Cleanup(func() {
		require.NoError(tb, stdin.Close())
		require.NoError(tb, cmd.Wait())
	})
}

// pull takes the interfaces away, as the end of the host's namespace does, only at once.
func (c *cable) pull() {
	_ = exec.Command("ip", "link", "delete", c.device).Run() //nolint:noctx // in a clean-up; gone already is as good
}

// firewall is what Block loads: every packet is dropped, in both directions, without a word to anybody.
const firewall = `add table inet kistest
add chain inet kistest in { type filter hook input priority 0; policy drop; }
add chain inet kistest out { type filter hook output priority 0; policy drop; }
`

// Block drops every packet to and from the host, as a broken router does: nobody is told anything. It is for hosts with a network of their own.
func (h *Host) Block(tb testing.TB) {
	tb.Helper()
	h.nft(tb, firewall)
}

// BlockOld drops every packet of the connections to sshd that there are now, in both directions; new ones work. So does a router that has
// forgotten them.
func (h *Host) BlockOld(tb testing.TB) {
	tb.Helper()
	ports := h.clients(tb)
	h.nft(tb, openFirewall+
		"add rule inet kistest in tcp dport 22 tcp sport "+ports+" drop\n"+
		"add rule inet kistest out tcp sport 22 tcp dport "+ports+" drop\n")
}

// MuteOld drops what the host says on the connections that there are now, and lets through what is said to it. New ones work.
func (h *Host) MuteOld(tb testing.TB) {
	tb.Helper()
	h.nft(tb, openFirewall+"add rule inet kistest out tcp sport 22 tcp dport "+h.clients(tb)+" drop\n")
}

// openFirewall drops nothing yet.
const openFirewall = `add table inet kistest
add chain inet kistest in { type filter hook input priority 0; }
add chain inet kistest out { type filter hook output priority 0; }
`

// clients is the nftables set of the ports from which there are connections to the host's sshd.
func (h *Host) clients(tb testing.TB) string {
	tb.Helper()
	out, err := h.net(tb.Context(), "ss", "-Htn", "state", "established", "( sport = :22 )").Output()
	require.NoError(tb, err, h.Name)
	var ports []string
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line) // two queues, our address, theirs
		require.Len(tb, fields, 4, "%q", line)
		ports = append(ports, fields[3][strings.LastIndexByte(fields[3], ':')+1:])
	}
	require.NotEmpty(tb, ports, "%s: nobody is connected", h.Name)
	return "{ " + strings.Join(ports, ", ") + " }"
}

// Unblock undoes Block, BlockOld and MuteOld. Both sides go on with what they have not been able to send.
func (h *Host) Unblock(tb testing.TB) {
	tb.Helper()
	h.nft(tb, "delete table inet kistest\n")
}

func (h *Host) nft(tb testing.TB, rules string) {
	tb.Helper()
	cmd := h.net(tb.Context(), "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	out, err := cmd.CombinedOutput()
	require.NoError(tb, err, "%s: %s", h.Name, out)
}

// Slow bounds what the host sends, in bits per second. It is for hosts with a network of their own.
func (h *Host) Slow(tb testing.TB, rate int) {
	tb.Helper()
	out, err := h.net(tb.Context(), "tc", "qdisc", "replace", "dev", inside, "root", "tbf", "rate", strconv.Itoa(rate), "burst", "3000", "limit", "60000").CombinedOutput()
	require.NoError(tb, err, "%s: %s", h.Name, out)
}

// net is a program that will run in the host's network.
func (h *Host) net(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"--target", strconv.Itoa(h.PID()), "--net", "--"}, args...)...)
}
