using System;
using System.Collections.Generic;
using System.IO;
using Hutch.Block.Formats;

namespace Hutch.Cli.Image.Io;

/// <summary><c>hutch img io</c>, or a link to the program named qemu-io: commands that read and write parts of an image, for tests.</summary>
internal static class IoTool
{
    private const string Options = """
        [OPTIONS]... [-c COMMAND]... [IMAGE]
        Reads and writes parts of an image, by commands.

          --object OBJECT      secret,id=ID,data=TEXT or file=PATH
          --image-opts         the image's name is a list of options
          -c, --cmd COMMAND    a command; without any they are read from standard input
          -f, --format FMT     the image's format
          -r, --read-only      nothing is written
          -s, --snapshot       what is written goes away at the end
          -n, --nocache        not through the host's page cache
          -C, --copy-on-read   what is read from below the image is kept in it
          -m, --misalign       memory of requests is not aligned
          -i, --aio=MODE       threads, native or io_uring
          -t, --cache=MODE     none, writeback, writethrough, directsync, unsafe
          -d, --discard=MODE   ignore or unmap
          -U, --force-share    the image may be in use
          -h, --help, -V, --version
        'help' is the command that lists the commands.
        """;

    /// <summary>Runs the tool; its exit status.</summary>
    internal static int Run(string name, IReadOnlyList<string> arguments)
    {
        Tool tool = new(name);
        try
        {
            return Run(tool, arguments);
        }
        catch (UsageException e)
        {
            tool.Error(e.Message);
            return e.Status;
        }
        catch (ImageException e)
        {
            tool.Error(e);
            return 1;
        }
        finally
        {
            tool.Flush();
        }
    }

    private static int Run(Tool tool, IReadOnlyList<string> arguments)
    {
        ImageArguments common = new(tool);
        IoOpening how = new();
        List<string> commands = [];
        GetOpt options = new(tool, arguments, "hVc:d:f:rsnCmkit:T:U", "help:h", "version:V", "cmd=:c", "format=:f", "read-only:r", "snapshot:s", "nocache:n", "copy-on-read:C", "misalign:m",
            "native-aio:k", "aio=", "discard=:d", "cache=:t", "trace=:T", "force-share:U", "object=", "image-opts");
        while (options.Next() is string option)
        {
            switch (option)
            {
                case "h":
                    tool.WriteLine($"Usage: {tool.Name} {Options}");
                    return 0;
                case "V": return Help.PrintVersion(tool);
                case "c": commands.Add(options.Value); break;
                case "d": how.Unmap = options.Value is "unmap" or "on"; break;
                case "r": how.IsReadOnly = true; break;
                case "n": how.Cache = Hutch.Block.Graph.CacheMode.None; break;
                case "C": how.CopiesOnRead = true; break;
                case "aio": how.Aio = BenchVerb.AioOf(options.Value); break;
                case "t": how.Cache = ImageArguments.CacheOf(options.Value); break;
                case "s": how.IsTemporary = true; break;
                case "m" or "k" or "T": break;
                default: common.Take(option, options.Value); break;
            }
        }
        if (options.Operands.Count > 1) throw new UsageException("only one image file can be opened");
        using IoShell shell = new(tool, common, how);
        if (options.Operands.Count == 1 && !shell.Open(options.Operands[0])) return 1;
        bool isGood = commands.Count > 0 ? RunAll(shell, commands) : RunInput(tool, shell);
        return isGood ? 0 : 1;
    }

    private static bool RunAll(IoShell shell, List<string> commands)
    {
        bool isGood = true;
        foreach (string command in commands)
        {
            if (shell.IsDone) break;
            isGood &= shell.Run(command);
        }
        return isGood;
    }

    private static bool RunInput(Tool tool, IoShell shell)
    {
        bool isGood = true;
        using StreamReader input = new(Console.OpenStandardInput());
        while (!shell.IsDone)
        {
            tool.Write("qemu-io> ");
            tool.Flush();
            if (input.ReadLine() is not string line) break;
            isGood &= shell.Run(line);
        }
        return isGood;
    }
}
