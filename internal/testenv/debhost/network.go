package debhost

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// network joins the hosts of a test and this machine: a bridge in a network namespace of its own, so that rules which this
// machine has for its bridges do not apply. Hosts have no route to anywhere else; what they fetch from a package index passes
// a proxy in the test.
//
// The addresses are of 198.19.0.0/16, the second half of what RFC 2544 sets apart for tests of networks (package hosttest has
// the first). They are routed to nowhere while the network does not exist. That route is also the claim on them: the kernel
// refuses a second one. Interface and route are all that is added to this machine.
type network struct {
	number int
	hub    string // the process whose namespace has the bridge
	proxy  string // address of the proxy, a URL
}

const (
	ours  = 1  // the last part of this machine's address
	first = 11 // that of the first host's
)

func (n *network) address(last int) string { return fmt.Sprintf("198.19.%d.%d", n.number, last) }
func (n *network) device() string          { return "kisnet" + strconv.Itoa(n.number) }

// hold makes the bridge, and waits for the end of its input, which comes with the test or with the process, even when that is killed.
const hold = `ip link add hub type bridge forward_delay 0
ip link set hub up
echo ready
read -r _
`

// unclaim is for after that.
const unclaim = `read -r _
ip link delete "$1" 2>/dev/null
exec ip route delete unreachable "$2" metric 4242
`

func newNetwork(tb testing.TB) *network {
	tb.Helper()
	n := claim(tb)
	hub := exec.Command("unshare", "--net", "/bin/sh", "-c", hold) //nolint:noctx // it ends with its input
	hub.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}          // so that Ctrl-C does not end it
	in, err := hub.StdinPipe()
	require.NoError(tb, err)
	out, err := hub.StdoutPipe()
	require.NoError(tb, err)
	require.NoError(tb, hub.Start())
	tb.Cleanup(func() {
		_ = in.Close()
		_ = hub.Wait()
	})
	line, _ := bufio.NewReader(out).ReadString('\n')
	require.Equal(tb, "ready\n", line, "hosts need a bridge in a network namespace")
	n.hub = strconv.Itoa(hub.Process.Pid)
	run(tb, "ip", "link", "add", n.device(), "type", "veth", "peer", "name", "uplink", "netns", n.hub)
	run(tb, "nsenter", "--net=/proc/"+n.hub+"/ns/net", "ip", "link", "set", "uplink", "master", "hub", "up")
	run(tb, "ip", "address", "add", n.address(ours)+"/24", "dev", n.device())
	run(tb, "ip", "link", "set", n.device(), "up")
	n.proxy = serveProxy(tb, n.address(ours))
	return n
}

// claim finds addresses that no other test uses, of any process.
func claim(tb testing.TB) *network {
	tb.Helper()
	var out []byte
	for range 20 {
		n := &network{number: rand.IntN(256)}
		subnet := n.address(0) + "/24"
		var err error
		if out, err = exec.CommandContext(tb.Context(), "ip", "route", "add", "unreachable", subnet, "metric", "4242").CombinedOutput(); err != nil {
			continue
		}
		end := exec.Command("/bin/sh", "-c", unclaim, "unclaim", n.device(), subnet) //nolint:noctx // it outlives the test's context
		end.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		in, err := end.StdinPipe()
		require.NoError(tb, err)
		require.NoError(tb, end.Start())
		tb.Cleanup(func() {
			_ = in.Close()
			_ = end.Wait()
		})
		return n
	}
	require.FailNow(tb, "hosts with a network of their own need routes", "ip route add: %s", out)
	return nil
}

// serveProxy is the hosts' way to a package index: an HTTP proxy on an address that only they reach.
func serveProxy(tb testing.TB, address string) string {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", address+":0")
	require.NoError(tb, err)
	server := &http.Server{Handler: http.HandlerFunc(forward)}
	go func() { _ = server.Serve(listener) }()
	tb.Cleanup(func() { _ = server.Close() })
	return "http://" + listener.Addr().String()
}

// forward handles a request as a proxy: RFC 9110, section 9.3.6 for CONNECT.
func forward(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		r.RequestURI = ""
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer answer.Body.Close() //nolint:errcheck // only read
		maps.Copy(w.Header(), answer.Header)
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
		return
	}
	there, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		http.Error(w, strings.ReplaceAll(err.Error(), "\n", " "), http.StatusBadGateway)
		return
	}
	defer there.Close() //nolint:errcheck // copied to its end
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer here.Close() //nolint:errcheck // likewise
	if _, err := io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(there, buffered)
		_ = there.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(here, there)
}
