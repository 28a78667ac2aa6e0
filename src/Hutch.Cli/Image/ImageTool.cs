using System;
using System.Collections.Generic;
using System.IO;
using Hutch.Block;
using Hutch.Block.Formats;
using Hutch.Block.Graph;

namespace Hutch.Cli.Image;

/// <summary>The image tool: <c>hutch img</c>, or a link to the program named qemu-img.</summary>
internal static class ImageTool
{
    /// <summary>Runs a command; its exit status.</summary>
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
        catch (Exception e) when (e is BlockIoException or DiskOpenException or IOException or UnauthorizedAccessException)
        {
            tool.Error(e.Message);
            return 1;
        }
        finally
        {
            tool.Flush();
        }
    }

    private static int Run(Tool tool, IReadOnlyList<string> arguments)
    {
        GetOpt options = new(tool, arguments, "+hVT:", "help:h", "version:V", "trace=:T");
        while (options.Next() is string option)
        {
            switch (option)
            {
                case "h": return Help.Print(tool);
                case "V": return Help.PrintVersion(tool);
            }
        }
        if (options.Position >= arguments.Count) throw tool.Usage("Not enough arguments");
        string verb = arguments[options.Position];
        List<string> rest = [];
        for (int i = options.Position + 1; i < arguments.Count; i++) rest.Add(arguments[i]);
        return verb switch
        {
            "amend" => AmendVerb.Run(tool, rest),
            "bench" => BenchVerb.Run(tool, rest),
            "bitmap" => BitmapVerb.Run(tool, rest),
            "check" => CheckVerb.Run(tool, rest),
            "commit" => CommitVerb.Run(tool, rest),
            "compare" => CompareVerb.Run(tool, rest),
            "convert" => ConvertVerb.Run(tool, rest),
            "create" => CreateVerb.Run(tool, rest),
            "dd" => DdVerb.Run(tool, rest),
            "info" => InfoVerb.Run(tool, rest),
            "map" => MapVerb.Run(tool, rest),
            "measure" => MeasureVerb.Run(tool, rest),
            "rebase" => RebaseVerb.Run(tool, rest),
            "resize" => ResizeVerb.Run(tool, rest),
            "snapshot" => SnapshotVerb.Run(tool, rest),
            _ => throw tool.Usage($"Command not found: {verb}"),
        };
    }
}
