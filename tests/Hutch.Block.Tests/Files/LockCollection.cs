using Xunit;

namespace Hutch.Block.Tests.Files;

/// <summary>
/// Tests of locks on files run alone: a program that another test starts holds all open files, and with them their locks, from the fork until it
/// becomes that program.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class LockCollection
{
    internal const string Name = "locks";
}
