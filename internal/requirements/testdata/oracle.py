"""What pip reads in requirements files: one JSON object a line in, one out."""
import inspect
import json
import logging
import os
import sys
from optparse import Values

import bundled  # noqa: F401
import pip
from pip._internal.index.collector import LinkCollector
from pip._internal.index.package_finder import PackageFinder
from pip._internal.models.search_scope import SearchScope
from pip._internal.models.selection_prefs import SelectionPreferences
from pip._internal.network.session import PipSession
from pip._internal.req.constructors import install_req_from_parsed_requirement
from pip._internal.req.req_file import parse_requirements

logging.disable(logging.CRITICAL)
NO_INDEX = {"no_index": False} if "no_index" in inspect.signature(SearchScope.create).parameters else {}  # since pip 22.3
session = PipSession()


def requirement(parsed):
    req = install_req_from_parsed_requirement(parsed, user_supplied=True)
    return {
        "name": req.req.name if req.req else "",
        "specifier": ",".join(sorted(str(s) for s in req.req.specifier)) if req.req else "",
        "extras": sorted(set(req.extras) | set(req.req.extras if req.req else [])),
        "url": req.link.url if req.link else "",
        "marker": str(req.markers) if req.markers else "",
        "hashes": req.hash_options,
        "editable": req.editable,
        "constraint": req.constraint,
        "options": {k: v for k, v in sorted((parsed.options or {}).items()) if k != "hashes"},
    }


def prereleases(finder):
    if hasattr(finder, "release_control"):  # since pip 26.0
        return finder.release_control is not None and ":all:" in finder.release_control.all_releases
    return finder.allow_all_prereleases


def read(request):
    os.chdir(request["dir"])
    os.environ.update(request["environment"] or {})
    session.pip_trusted_origins = []
    scope = SearchScope.create(find_links=[], index_urls=["https://pypi.org/simple"], **NO_INDEX)
    collector = LinkCollector(session=session, search_scope=scope)
    finder = PackageFinder.create(link_collector=collector, selection_prefs=SelectionPreferences(allow_yanked=True))
    options = Values({"require_hashes": False, "features_enabled": []})
    found = []
    for path, constraint in request["files"]:
        for parsed in parse_requirements(path, session=session, finder=finder, options=options, constraint=constraint):
            found.append(requirement(parsed))
    return {
        "pip": pip.__version__,
        "requirements": found,
        "indexes": finder.index_urls,
        "links": finder.find_links,
        "trusted": sorted(str(host) for host in finder.trusted_hosts),
        "pre": prereleases(finder),
        "binary": [sorted(finder.format_control.no_binary), sorted(finder.format_control.only_binary)],
        "hashed": options.require_hashes or any(r["hashes"] for r in found),
    }


for line in sys.stdin:
    try:
        answer = read(json.loads(line))
    except Exception as error:  # whatever pip raises is a refusal
        answer = {"error": "%s: %s" % (type(error).__name__, error)}
    print(json.dumps(answer), flush=True)
