# Makes SetEnv lines for Apache of the settings in a file like .env.example, read
# as the program reads them:
#
#     sed -nEf conf/apache/setenv.sed .env
#
# A line that is no setting ends it with status 1.

# A byte order mark, as some editors write; lines without a setting.
1s/^\xef\xbb\xbf//
t begin
:begin
/^[[:space:]]*(#.*)?$/d

# A value in quotes may have a comment behind it. One without quotes ends where a
# blank and a # begin a comment. What is special to Apache gets a backslash.
s/^[[:space:]]*(export[[:space:]]+)?([A-Za-z0-9_.]+)[[:space:]]*[=:][[:space:]]*/\2\n/
T unreadable
s/\n"(([^"\\]|\\.)*)"[[:space:]]*(#.*)?$/\n\1/
t double
s/\n'([^']*)'[[:space:]]*(#.*)?$/\n\1/
t plain
/\n["']/b unreadable
s/([^\n])[[:blank:]]+#.*$/\1/
s/[[:space:]]*$//
:plain
s/[\\"]/\\&/g
:double
s/^([^\n]*)\n?(.*)/SetEnv \1 "\2"/p
b

:unreadable
q1
