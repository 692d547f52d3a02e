# Installs the two client libraries where the image does not bring them, and starts AP.
python3 -c 'import pymysql, redis' 2>/dev/null || pip install --quiet --root-user-action=ignore pymysql redis
exec python3 /srv/ap.py
