"""nginx with the site that is shipped, at ports and in a folder of ours."""

import re
import shutil

from tests.deploy.drill.network import NAME
from tests.kit.programs import find_tool

MAIN = """
pid nginx.pid;
error_log error.log;
events {}
http {
    include /etc/nginx/mime.types;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    scgi_temp_path scgi;
    uwsgi_temp_path uwsgi;
    include door.conf;
}
"""


def write_site(step, scratch, servers, certificate, ports):
    """Write what nginx reads; return the command that starts it."""
    site = (step / "deploy" / "nginx.conf").read_text("utf-8")
    for name, value in {
        "${DOOR_NAME}": NAME,
        "${DOOR_SERVER}": ";\n    server ".join(servers),
        f"/etc/letsencrypt/live/{NAME}/fullchain.pem": str(certificate),
        f"/etc/letsencrypt/live/{NAME}/privkey.pem": str(certificate),
        "/usr/share/nginx/html": str(scratch),
        "/var/www/html": str(scratch),
        "/var/log/nginx/access.log": "access.log",
    }.items():
        assert name in site, f"deploy/nginx.conf does not name {name}"
        site = site.replace(name, value)
    for usual, port in ports.items():
        site = re.sub(rf"(listen (?:\[::\]:)?){usual}\b", rf"\g<1>{port}", site)
    (scratch / "nginx.conf").write_text(MAIN)
    (scratch / "door.conf").write_text(site)
    shutil.copy(step / "deploy" / "error.html", scratch)
    return [find_tool("nginx", "nginx-light"), "-p", f"{scratch}/", "-c", "nginx.conf"]
