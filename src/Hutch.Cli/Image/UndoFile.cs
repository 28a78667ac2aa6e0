using System;
using System.IO;
using Hutch.Block;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Host.Linux;

namespace Hutch.Cli.Image;

/// <summary>check --undo-apply: puts back what a repair replaced.</summary>
internal static class UndoFile
{
    /// <summary>Runs the command.</summary>
    internal static int Apply(Tool tool, string undo, string name)
    {
        try
        {
            Blocking.Wait(BlockGraph.UndoAsync(undo, name, default));
            tool.WriteLine("The image is as it was before the repair.");
            return 0;
        }
        catch (ImageException e)
        {
            tool.Error(e, $"Could not undo the repair of '{name}': ");
        }
        catch (Exception e) when (e is BlockIoException or IOException or LinuxException)
        {
            tool.Error($"Could not undo the repair of '{name}': {e.Message}");
        }
        return 1;
    }
}
