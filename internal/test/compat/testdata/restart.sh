# restart.sh — what a service manager does on a host: end the application that runs, start the one that the stage is linked to, from the
# resolved path, so that a later switch does not pull its files away. KIS_SERVICE marks it as started on purpose.
set -eu
if [ -f ~/pid ]; then
	kill "$(cat ~/pid)"
	while kill -0 "$(cat ~/pid)" 2>/dev/null; do sleep 0.05; done
fi
cd -P "/var/webcode/$KIS_STAGE"
KIS_SERVICE=greeter setsid .venv/bin/greeter "$(cat ~/port)" </dev/null >~/greeter.log 2>&1 &
echo $! >~/pid
