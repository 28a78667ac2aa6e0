using System;
using System.CommandLine;
using Hutch.Cli.Commands;
using Hutch.Host.Linux;
using Hutch.Model.Machine;

namespace Hutch.Cli;

/// <summary>The program <c>hutch</c>: reads the command line and runs the verb.</summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        // The image tools have a grammar of their own, and are started thousands of times by scripts.
        if (ImageCommand.TryRun(arguments, out int status)) return status;
        bool json = Array.IndexOf(arguments, "--json") >= 0;
        try
        {
            return Run(arguments);
        }
        catch (UserException error)
        {
            Messages.Error(error.Message, error.Status, json);
            return error.Status;
        }
        catch (LinuxException error)
        {
            Messages.Error(error.Message, ExitStatus.InternalError, json);
            return ExitStatus.InternalError;
        }
    }

    private static int Run(string[] arguments)
    {
        RootCommand root = new("Runs virtual machines.") { RunCommand.Create() };
        // The commands that 'run' does not need would cost each start a few milliseconds.
        if (arguments is not ["run", ..])
        {
            foreach (Command command in (Command[])[.. ControlCommands.Create(), .. StateCommands.Create(), .. PlacementCommands.Create(), .. HotplugCommands.Create()]) root.Add(command);
            root.Add(DoctorCommand.Create());
            root.Add(HostCommand.Create());
            root.Add(CpuCommand.Create());
            root.Add(ImageCommand.Create());
            root.Add(ImagesCommand.Create());
            root.Add(NbdCommand.Create());
            root.Add(DaemonCommand.Create());
        }
        root.Directives.Clear();
        root.SetAction(Explain);
        ParserConfiguration parser = new() { EnablePosixBundling = false, ResponseFileTokenReplacer = null };
        ParseResult result = root.Parse(arguments, parser);
        RunCommand.CheckOptions(result);
        if (result.Errors.Count > 0)
            throw new UserException($"{result.Errors[0].Message.TrimEnd('.')}; '{Called(result)} --help' shows what there is.", ExitStatus.Usage);
        return result.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
    }

    private static string Called(ParseResult result) =>
        result.CommandResult.Command is RootCommand ? "hutch" : $"hutch {result.CommandResult.Command.Name}";

    private static int Explain(ParseResult result) =>
        throw new UserException("Say what to do, for example: hutch run. 'hutch --help' lists the commands.", ExitStatus.Usage);
}
