package config

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// report lists the effective settings and their sources for the user.
func (b *builder) report(t Target) []Setting {
	yes := map[bool]string{true: "yes", false: "no"}
	alive, count := t.KeepAlive()
	list := []Setting{
		{Name: "hostname", Value: t.HostName},
		{Name: "port", Value: strconv.Itoa(t.Port)},
		{Name: "user", Value: t.User},
		{Name: "proxyjump", Value: b.settings.first("proxyjump")},
		{Name: "proxycommand", Value: b.settings.first("proxycommand")},
		{Name: "identityfile", Value: strings.Join(t.IdentityFiles, " ")},
		{Name: "certificatefile", Value: strings.Join(t.CertificateFiles, " ")},
		{Name: "identitiesonly", Value: yes[t.IdentitiesOnly]},
		{Name: "identityagent", Value: cmp.Or(t.IdentityAgent, "none")},
		{Name: "preferredauthentications", Value: strings.Join(t.PreferredAuthentications, ",")},
		{Name: "pubkeyauthentication", Value: yes[!t.NoPublicKey]},
		{Name: "passwordauthentication", Value: yes[!t.NoPassword]},
		{Name: "kbdinteractiveauthentication", Value: yes[!t.NoKeyboardInteractive]},
		{Name: "pubkeyacceptedalgorithms", Value: strings.Join(t.PubkeyAcceptedAlgorithms, ",")},
		{Name: "numberofpasswordprompts", Value: strconv.Itoa(t.PasswordPrompts)},
		{Name: "batchmode", Value: yes[t.BatchMode]},
		{Name: "stricthostkeychecking", Value: string(t.StrictHostKeyChecking)},
		{Name: "hostkey", Value: strings.TrimSpace(t.HostKey.Type + " " + t.HostKey.Fingerprint)},
		{Name: "hostkeyalias", Value: t.HostKeyAlias},
		{Name: "userknownhostsfile", Value: strings.Join(t.UserKnownHostsFiles, " ")},
		{Name: "globalknownhostsfile", Value: strings.Join(t.GlobalKnownHostsFiles, " ")},
		{Name: "hashknownhosts", Value: yes[t.HashKnownHosts]},
		{Name: "hostkeyalgorithms", Value: strings.Join(t.HostKeyAlgorithms, ",")},
		{Name: "kexalgorithms", Value: strings.Join(t.KexAlgorithms, ",")},
		{Name: "ciphers", Value: strings.Join(t.Ciphers, ",")},
		{Name: "macs", Value: strings.Join(t.MACs, ",")},
		{Name: "casignaturealgorithms", Value: strings.Join(t.CASignatureAlgorithms, ",")},
		{Name: "requiredrsasize", Value: strconv.Itoa(t.MinRSASize())},
		{Name: "addressfamily", Value: t.AddressFamily},
		{Name: "bindaddress", Value: t.BindAddress},
		{Name: "connecttimeout", Value: t.ConnectTimeout.String()},
		{Name: "serveraliveinterval", Value: alive.String()},
		{Name: "serveralivecountmax", Value: strconv.Itoa(count)},
	}
	var shown []Setting
	for _, s := range list {
		if s.Value == "" || s.Value == "none" || s.Value == "0s" {
			continue
		}
		s.Source = sourceDefault
		if v := b.settings[s.Name]; len(v) > 0 {
			s.Source = v[0].source
		}
		if own := b.ownSource(t, s.Name); own != "" {
			s.Source = own
		}
		shown = append(shown, s)
	}
	return append(shown, b.forwards()...)
}

// forwards lists the forwarding that ssh_config requests and kis never does: a deployment needs
// none, and the host could use it to reach this machine's network.
func (b *builder) forwards() []Setting {
	var list []Setting
	for _, keyword := range []string{"forwardagent", "forwardx11", "localforward", "remoteforward", "dynamicforward"} {
		for _, v := range b.settings[keyword] {
			if v.text != "no" && v.text != "false" {
				list = append(list, Setting{Name: keyword, Value: "never", Source: fmt.Sprintf("kis; %s says %s", v.source, v.text)})
			}
		}
	}
	return list
}

// ownSource is the source of a value that is not from ssh_config, or that kis overrides, or "".
func (b *builder) ownSource(t Target, name string) string {
	configured := b.settings.first(name)
	switch name {
	case "hostkey":
		return sourceInventory
	case "stricthostkeychecking":
		if v := strings.ToLower(configured); v == "no" || v == "off" || v == "false" {
			return sourceKis
		}
	case "serveraliveinterval":
		if t.ServerAliveInterval <= 0 {
			return sourceKis
		}
	case "serveralivecountmax":
		if t.ServerAliveCountMax <= 0 {
			return sourceKis
		}
	case "identityagent":
		if configured == "" {
			return "SSH_AUTH_SOCK"
		}
	}
	return ""
}
