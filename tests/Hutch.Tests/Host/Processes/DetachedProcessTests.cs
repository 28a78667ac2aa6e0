using System;
using System.Collections.Generic;
using System.IO;
using System.IO.Pipes;
using Hutch.Host.Linux;
using Hutch.Host.Processes;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Hutch.Tests.Host.Processes;

public sealed class DetachedProcessTests
{
    private static readonly Dictionary<string, string> Environment = new() { ["WORD"] = "wörd", ["PATH"] = "/usr/bin:/bin" };

    [Fact]
    public void It_gets_its_words_its_environment_and_its_descriptors_and_leads_a_session()
    {
        string log = Path.GetTempFileName();
        try
        {
            using AnonymousPipeServerStream answer = new(PipeDirection.In);
            using SafeFileHandle end = new(answer.ClientSafePipeHandle.DangerousGetHandle(), ownsHandle: false);
            int process;
            using (SafeFileHandle output = File.OpenHandle(log, FileMode.Append, FileAccess.Write))
            {
                const string Script = "exec 3>/proc/self/fd/$1; echo \"$WORD\" >&3; read line || echo 'no input' >&3; echo said; echo wrong >&2; test $(cut -d' ' -f6 /proc/$$/stat) = $$ && echo leads >&3";
                process = DetachedProcess.Start("/bin/sh", ["sh", "-c", Script, "x", "{0}"], Environment, output, end);
            }
            answer.DisposeLocalCopyOfClientHandle();
            using StreamReader reader = new(answer);
            Assert.Equal("wörd\nno input\nleads\n", reader.ReadToEnd());
            while (!DetachedProcess.TryReap(process)) _ = System.Threading.Thread.Yield();
            Assert.False(Directory.Exists($"/proc/{process}"));
            Assert.Equal("said\nwrong\n", File.ReadAllText(log));
        }
        finally
        {
            File.Delete(log);
        }
    }

    [Fact]
    public void What_is_not_there_is_an_error_at_once()
    {
        using SafeFileHandle output = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.Write);
        Assert.Contains("/nonexistent", Assert.Throws<LinuxException>(() => DetachedProcess.Start("/nonexistent", ["x"], Environment, output)).Message, StringComparison.Ordinal);
    }
}
