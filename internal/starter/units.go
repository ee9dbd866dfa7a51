package starter

import (
	"net"
	"regexp"
	"strings"
)

var (
	bindOption = regexp.MustCompile(`(?:--bind|--listen|--http-socket|--http|-b)[ =](\S+)`)
	hostOption = regexp.MustCompile(`--host[ =](\S+)`)
	portOption = regexp.MustCompile(`(?:--port|-p)[ =](\d+)`)
	unixOption = regexp.MustCompile(`(?:--uds|--unix-socket)[ =](\S+)`)
)

// socketURL is the URL where a Unix socket is asked: its host is only a header.
const socketURL = "http://localhost/"

// address is where the server of a command line probably listens: the URL of health, and a Unix socket; "" where it
// does not say. gunicorn, uvicorn, hypercorn, waitress, daphne and uWSGI are known.
func address(command string) (url, unix string) {
	port := portOption.FindStringSubmatch(command)
	if socket := unixOption.FindStringSubmatch(command); socket != nil {
		return socketURL, socket[1]
	}
	if bind := bindOption.FindStringSubmatch(command); bind != nil {
		if path, unix := strings.CutPrefix(bind[1], "unix:"); unix {
			return socketURL, path
		}
		if port != nil && !strings.Contains(bind[1], ":") {
			return httpURL(bind[1] + ":" + port[1]), ""
		}
		return httpURL(bind[1]), ""
	}
	if port == nil {
		return "", ""
	}
	if host := hostOption.FindStringSubmatch(command); host != nil {
		return httpURL(net.JoinHostPort(strings.Trim(host[1], "[]"), port[1])), ""
	}
	return httpURL("127.0.0.1:" + port[1]), ""
}

// httpURL is the URL of an address to listen on. All addresses are asked at the local one.
func httpURL(listen string) string {
	if !strings.Contains(listen, ":") {
		listen += ":8000" // the default of gunicorn
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil || strings.Trim(port, "0123456789") != "" {
		return ""
	}
	if ip := net.ParseIP(host); host == "" || host == "*" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}
